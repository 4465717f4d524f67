"""``truncation_strategy: auto``: threads that outgrow the model's window."""

import json
from itertools import pairwise

import pytest

from tests.talking import answered, talking
from tests.upstream import completed

WINDOW = 8000
RUNS = 5
QUESTION = "Wie weit ist es bis zum nächsten Dorf? " * 150  # more tokens than our count says
CALL = {"type": "function_call", "name": "nowhere", "arguments": "{}"}


def tokens(body: dict) -> int:
    """Return the tokens of a request as this upstream counts them: not as we do."""
    return len(json.dumps([body["input"], body.get("instructions")])) // 3


OPENAI = (
    "This model's maximum context length is {window} tokens. However, your messages resulted in "
    "{asked} tokens. Please reduce the length of the messages."
)
SILENT = (
    "Your input exceeds the context window of this model. Please adjust your input and try again."
)
LLAMA = "the request exceeds the available context size ({window} tokens), try increasing it"


def narrow(said: str, code: str | None = None, *, in_stream: bool = False):
    """Return a reply that refuses what is longer than the window, and calls before each answer."""
    calls = iter(range(10**6))

    def reply(body: dict):
        if (asked := tokens(body)) > WINDOW:
            error = {"message": said.format(window=WINDOW, asked=asked), "code": code}
            return [{"type": "error", "error": error}] if in_stream else (400, {"error": error})
        if "output" in body["input"][-1]:
            return completed("Noch eine Stunde. " * 20)
        return answered({**CALL, "call_id": f"call_{next(calls)}"})

    return reply


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        (narrow(OPENAI, "context_length_exceeded"), 10),
        (narrow(SILENT, "context_length_exceeded", in_stream=True), 3),
        (narrow(LLAMA), 3),
    ],
    ids=["openai", "openai-in-stream", "llama"],
)
def test_threads_that_outgrow_the_window_go_on(tmp_path, reply, count):
    with talking(tmp_path / "a.db", reply) as talk:
        threads = [talk.client.beta.threads.create().id for _ in range(count)]
        for number in range(RUNS):
            for thread in threads:
                run = talk.ask(f"{number}. {QUESTION}", thread=thread)
                assert run.status == "completed", run.last_error
    refused = [at for at, body in enumerate(talk.seen) if tokens(body) > WINDOW]
    assert refused, "the threads are long enough"
    # They are learned from at once: what follows a refusal is tries of the same request.
    assert len(refused) <= 3
    assert refused == list(range(refused[0], refused[0] + len(refused)))
    for body in talk.seen:
        made = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
        assert made == [item["call_id"] for item in body["input"] if "output" in item]
        assert body["input"][0]["content"][0]["text"].startswith("0."), "what it began with stays"


def test_the_prompt_stays_the_same_for_some_runs_after_it_was_cut(tmp_path):
    with talking(tmp_path / "a.db", narrow(OPENAI)) as talk:
        thread = talk.client.beta.threads.create().id
        for number in range(16):
            talk.ask(f"{number}. {QUESTION[:2000]}", thread=thread)
    fitting = [body["input"] for body in talk.seen if tokens(body) <= WINDOW]
    grown = [after[: len(before)] == before for before, after in pairwise(fitting)]
    assert grown.count(False) <= len(grown) // 5


def test_a_message_that_is_too_long_alone_says_so(tmp_path):
    with talking(tmp_path / "a.db", narrow(OPENAI)) as talk:
        run = talk.ask(QUESTION * 20)
        assert run.status == "failed"
        assert "Not even the newest message fits" in run.last_error.message
    assert len(talk.seen) == 1


def test_an_error_that_only_names_a_window_shortens_no_thread(tmp_path):
    words = "Invalid schema for function 'context_window'"
    fields = {"param": "tools[0].parameters", "code": "invalid_function_parameters"}
    replies = iter([(400, {"error": {"message": words, **fields}})])
    with talking(tmp_path / "a.db", lambda _: next(replies, completed("Fine."))) as talk:
        thread = talk.client.beta.threads.create().id
        for _ in range(9):
            talk.client.beta.threads.messages.create(thread, role="user", content=QUESTION)
        refused = talk.ask(QUESTION, thread=thread)
        assert words in refused.last_error.message
        assert talk.ask("Hello", thread=thread).status == "completed"
    assert [len(body["input"]) for body in talk.seen] == [10, 11]


def test_what_one_run_wants_to_write_takes_no_room_from_other_runs(tmp_path):
    def reply(body: dict):
        asked = tokens(body) + body.get("max_output_tokens", 0)
        if asked > WINDOW:
            return 400, {"error": {"message": OPENAI.format(window=WINDOW, asked=asked)}}
        return completed("Fine.")

    with talking(tmp_path / "a.db", reply) as talk:
        thread = talk.client.beta.threads.create().id
        for _ in range(9):
            talk.client.beta.threads.messages.create(thread, role="user", content="Hello. " * 50)
        assert talk.ask("Hello", thread=thread, max_completion_tokens=7500).status == "completed"
        assert len(talk.seen[-1]["input"]) < 10
        assert talk.ask("Hello", thread=thread).status == "completed"
    assert len(talk.seen[-1]["input"]) == 12


def test_last_messages_are_the_callers_choice(tmp_path):
    with talking(tmp_path / "a.db", narrow(OPENAI)) as talk:
        thread = talk.client.beta.threads.create().id
        for _ in range(9):
            talk.client.beta.threads.messages.create(thread, role="user", content=QUESTION)
        strategy = {"type": "last_messages", "last_messages": 10}
        run = talk.ask(QUESTION, thread=thread, truncation_strategy=strategy)
        assert run.status == "failed"
        assert "set the strategy to auto" in run.last_error.message
    assert len(talk.seen) == 1
