"""The seam: what the engine asks of an upstream, and what becomes of its troubles."""

import socket

import pytest

from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import CANARY_KEY, completed, send_events, send_json, upstream


@pytest.fixture
def run_with(tmp_path):
    """Return a function that runs one question against an upstream that answers like that."""

    def run_with(answer, instructions="Be kind.", **settings):
        with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
            assistant = client.beta.assistants.create(model=MODEL, instructions=instructions)
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "Hello"}]},
                poll_interval_ms=5,
                **settings,
            )
            messages = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
        return run, messages

    return run_with


def test_what_the_upstream_is_asked(run_with):
    asked = []

    def answer(handler, body):
        asked.append((handler.path, handler.headers["Authorization"], body))
        send_events(handler, completed("Hi."))

    run, messages = run_with(answer, temperature=0.5)
    assert asked == [
        (
            "/v1/responses",
            f"Bearer {CANARY_KEY}",
            {
                "model": MODEL,
                "instructions": "Be kind.",
                "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
                "temperature": 0.5,
                "store": False,
                "stream": True,
            },
        )
    ]
    assert messages[0].content[0].text.value == "Hi."
    assert run.usage.to_dict() == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
    }


def test_a_refusal_is_a_refusal(run_with):
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    _, messages = run_with(lambda h, _: send_events(h, completed("", output=[refusal])[1:]))
    assert messages[0].content[0].refusal == "No."


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (
            lambda h, _: send_json(h, 401, {"error": {"message": "bad key"}}),
            "server_error",
            "401: bad key. Look at OPENAI_API_KEY.",
        ),
        (
            lambda h, _: send_json(h, 404, {"error": {"message": "no such model"}}),
            "server_error",
            "404: no such model. Does it have the model 'gpt-6-luna'? Set OPENAI_MODEL",
        ),
        (
            lambda h, _: send_json(h, 429, {"error": {"message": "slow down"}}),
            "rate_limit_exceeded",
            "429: slow down",
        ),
        (lambda h, _: send_json(h, 500, {}), "server_error", "500"),
        (lambda h, _: send_json(h, 200, {"no": "stream"}), "server_error", "ended its stream"),
        (lambda h, _: send_events(h, completed("Hi.")[:1]), "server_error", "ended its stream"),
        (lambda h, _: send_events(h, completed("", output=[])[1:]), "server_error", "nothing"),
        (
            lambda h, _: send_events(
                h, [{"type": "response.failed", "response": {"error": {"message": "out of order"}}}]
            ),
            "server_error",
            "out of order",
        ),
        (lambda h, _: h.connection.shutdown(socket.SHUT_RDWR), "server_error", "hung up"),
    ],
    ids=["401", "404", "429", "500", "no-stream", "cut", "nothing", "failed", "hang-up"],
)
def test_troubles_end_the_run_with_a_reason(run_with, answer, code, words):
    run, messages = run_with(answer)
    assert run.status == "failed"
    assert run.last_error.code == code
    assert words in run.last_error.message
    assert CANARY_KEY not in run.last_error.message
    for message in messages:
        assert (message.status, message.incomplete_details.reason) == ("incomplete", "run_failed")


def test_nobody_there(tmp_path):
    with upstream(lambda *_: None) as gone:
        pass
    with connected(tmp_path / "a.db", upstream=gone) as client:
        assistant = client.beta.assistants.create(model=MODEL)
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert f"at {gone.base_url} cannot be reached" in run.last_error.message
    assert "Look at OPENAI_BASE_URL" in run.last_error.message
