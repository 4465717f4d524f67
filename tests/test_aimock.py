"""Against an upstream that others wrote: aimock, over real HTTP."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI
from openai.types.beta.threads import Message, Run

from assistants_server.engine import Upstream
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.serving import connected

HERE = Path(__file__).parent / "aimock"
PROGRAM = HERE / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not installed"
)


def answers(address: str) -> bool:
    try:
        httpx2.get(address)
    except httpx2.TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def aimock() -> Iterator[str]:
    """Start aimock; yield its address. It is installed the first time."""
    if not PROGRAM.exists():
        options = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([shutil.which("npm"), "install", *options], cwd=HERE, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", str(PROGRAM), "-p", str(port), "-f", str(HERE / "fixtures.json")],
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{address}/__aimock/journal"))
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def live(aimock: str, tmp_path: Path) -> Iterator[OpenAI]:
    with connected(tmp_path / "a.db", upstream=Upstream(f"{aimock}/v1", "mock")) as client:
        yield client


def ask(client: OpenAI, content: str, **settings: object) -> tuple[Run, list[Message]]:
    assistant = client.beta.assistants.create(model=MODEL, **settings)
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": content}]},
        poll_interval_ms=5,
    )
    return run, client.beta.threads.messages.list(run.thread_id, run_id=run.id).data


def test_text(live):
    run, (message,) = ask(live, "Greet me")
    assert run.status == "completed"
    assert message.content[0].text.value == "Good morning from the mock."
    tokens = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
    assert tokens.items() <= run.usage.to_dict().items()  # as the upstream counts them


def test_a_program_and_its_output(live, aimock):
    run, (message,) = ask(live, "The first primes", tools=[{"type": "code_interpreter"}])
    assert run.status == "completed"
    assert message.content[0].text.value == "I have seen the output."
    journal = httpx2.get(f"{aimock}/__aimock/journal").json()
    asked = [entry["body"] for entry in journal if "primes" in str(entry["body"])]
    assert len(asked) == 2
    steps = live.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
    (call,) = steps[0].step_details.tool_calls
    assert call.code_interpreter.outputs[0].logs == "[2, 3, 5, 7]"


def test_two_calls_of_a_function(live):
    run, _ = ask(live, "How is the weather?", tools=[WEATHER])
    assert run.status == "requires_action"
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    run = live.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "?"} for call in calls],
        poll_interval_ms=5,
    )
    assert run.status == "completed"
    (message,) = live.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    assert message.content[0].text.value == "Oslo is cold, Rome is warm."


def test_too_many_requests(live):
    run, _ = ask(live, "Too often")
    assert (run.status, run.last_error.code) == ("failed", "rate_limit_exceeded")
    assert "429: Slow down. Wait a while and try again." in run.last_error.message


def test_an_answer_that_is_cut_short(live):
    run, (message,) = ask(live, "Too long")
    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert message.content[0].text.value == "This is all there is room"


def test_an_answer_that_breaks_off(live):
    run, _ = ask(live, "Break off")
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert "OPENAI_BASE_URL" in run.last_error.message or "broke off" in run.last_error.message


def test_the_rest_of_the_api_passes_through(live):
    chat = [{"role": "user", "content": "Greet me"}]
    pieces = live.chat.completions.create(model=MODEL, messages=chat, stream=True)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == "Good morning from the mock."
    assert len(live.embeddings.create(model=MODEL, input="x").data[0].embedding) > 100
    assert live.models.list().data
