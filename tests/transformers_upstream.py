"""A real engine as the upstream: ``transformers serve`` with a tiny model that is made on the spot.

The model's words are nonsense, the protocol is not. This is not part of the test suite, since it
needs some gigabytes. To run it, in an environment of its own:

    python -m venv build/transformers
    build/transformers/bin/pip install torch==2.13.0
    build/transformers/bin/pip install "transformers[serving]"
    .venv/bin/python -m tests.transformers_upstream build/transformers

It trains a Qwen2 model of some hundred thousand parameters and its tokenizer, serves them, and
holds conversations with it through our server.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from openai import OpenAI

from assistants_server.engine import Upstream, trouble
from assistants_server.server import Server
from helpers import MODEL
from tests.test_alone import alone

TRAIN = """
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

folder = sys.argv[1]
SENTENCES = [
    f"{a} plus {b} is {a + b}. The tutor says: subtract {b} from both sides."
    for a in range(12) for b in range(12)
]
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
bpe.train_from_iterator(
    SENTENCES,
    trainers.BpeTrainer(vocab_size=600, special_tokens=[PAD, START, END], initial_alphabet=alphabet),
)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, pad_token=PAD)
tokenizer.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|>\\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
torch.manual_seed(0)
config = Qwen2Config(
    vocab_size=len(tokenizer), hidden_size=96, intermediate_size=192, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096,
    eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
)
model = Qwen2ForCausalLM(config)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
chats = [
    tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": sentence}],
        tokenize=False,
    )
    for sentence in SENTENCES
]
batch = tokenizer(chats, return_tensors="pt", padding=True)
labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(120):
    chosen = torch.randint(0, len(chats), (24,))
    loss = model(
        input_ids=batch.input_ids[chosen],
        attention_mask=batch.attention_mask[chosen],
        labels=labels[chosen],
    ).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print(f"loss {loss.item():.3f}", flush=True)
model.generation_config.max_new_tokens = 64
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""


@contextmanager
def engine(environment: Path) -> Iterator[str]:
    """Train the model and serve it under the name that the notebooks use; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / MODEL
        python = environment.resolve() / "bin" / "python"
        offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        subprocess.run([python, "-c", TRAIN, str(model)], env=offline, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [
                *[python.with_name("transformers"), "serve", "--host", "127.0.0.1"],
                *["--port", str(port), "--device", "cpu"],
            ],
            cwd=folder,  # a folder of the model's name in here is that model
            env=offline,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while True:
                try:
                    httpx2.get(f"{address}/health").raise_for_status()
                    break
                except httpx2.HTTPError:
                    assert time.monotonic() < deadline, "transformers serve did not start"
                    time.sleep(0.5)
            yield f"{address}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def converse(client: OpenAI) -> None:
    """Hold two turns of a conversation, and one with tools on offer; print what comes of them."""
    assistant = client.beta.assistants.create(model=MODEL, instructions="Be brief.")
    thread = client.beta.threads.create()
    for question in ("Hello", "Hello again"):
        client.beta.threads.messages.create(thread.id, role="user", content=question)
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
        report(client, question, run)
    with_tools = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=with_tools.id, poll_interval_ms=20
    )
    report(client, "with a tool on offer", run)
    pieces = client.responses.create(model=MODEL, input="Hello", stream=True)
    kinds = [event.type for event in pieces]
    print(f"passed through: {len(kinds)} events, the last is {kinds[-1]}")


def report(client: OpenAI, question: str, run) -> None:
    reason = f" ({run.last_error.message})" if run.last_error else ""
    print(f"{question}: {run.status}{reason}, {run.usage.to_dict()}")
    for message in client.beta.threads.messages.list(run.thread_id, run_id=run.id):
        print(f"  {message.role}: {message.content[0].text.value!r}")


def main() -> None:
    with engine(Path(sys.argv[1])) as address, tempfile.TemporaryDirectory() as folder:
        print(f"connect() would say: {trouble(Upstream(address, 'none'), MODEL)}")
        server = Server(Path(folder) / "a.db", upstream=Upstream(address, "none"))
        server.start()
        converse(OpenAI(base_url=server.base_url, api_key=server.token))
        server.stop()
        key = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": address}
        with alone(Path(folder) / "b.db", **key) as process:
            print(process.said.splitlines()[0])
            converse(OpenAI(base_url=process.base_url, api_key=process.token))


if __name__ == "__main__":
    main()
