"""An upstream that redirects, echoes its key or never stops, while a run asks it."""

import json
from collections.abc import Callable

import pytest
from openai.types.beta.threads import Message, Run

from assistants_server.engine import guard
from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import CANARY_KEY, completed, send_events, send_json, upstream

HALF = len(CANARY_KEY) // 2


@pytest.fixture
def run_with(tmp_path) -> Callable[..., tuple[Run, list[Message]]]:
    """Return a function that runs one question against an upstream that answers like that."""

    def run_with(answer):
        with upstream(answer) as address, connected(tmp_path / "a.db", upstream=address) as client:
            assistant = client.beta.assistants.create(model=MODEL)
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "a private question"}]},
                poll_interval_ms=5,
            )
            messages = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
        return run, messages

    return run_with


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_gets_neither_the_key_nor_the_prompt(run_with, status):
    got = []

    def take(handler, body):
        got.append((handler.headers.get("Authorization"), body))
        send_events(handler, completed("stolen"))

    with upstream(take) as thief:

        def redirect(handler, body):
            handler.send_response(status)
            handler.send_header("Location", f"{thief.base_url}/responses")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        run, _ = run_with(redirect)
    assert got == []
    assert run.status == "failed"
    assert f"redirect ({status})" in run.last_error.message
    assert "OPENAI_BASE_URL" in run.last_error.message


def test_a_key_in_an_answer_is_taken_out(run_with):
    run, (message,) = run_with(lambda h, _: send_events(h, completed(f"It is {CANARY_KEY}.")))
    assert run.status == "completed"
    assert message.content[0].text.value == "It is (the key)."


def test_a_key_that_arrives_in_two_pieces_of_the_network_is_taken_out(run_with):
    def answer(handler, body):
        send_events(handler, [])
        for event in completed(f"It is {CANARY_KEY}."):
            line = f"data: {json.dumps(event)}\n\n".encode()
            cut = line.find(CANARY_KEY.encode()) + HALF
            for piece in (line[:cut], line[cut:]):
                handler.wfile.write(piece)
                handler.wfile.flush()

    _, (message,) = run_with(answer)
    assert message.content[0].text.value == "It is (the key)."


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "error", "error": {"message": f"no {CANARY_KEY}"}}],
        [{"type": "error", "message": f"no {CANARY_KEY}"}],
        [{"type": "response.failed", "response": {"error": {"message": f"no {CANARY_KEY}"}}}],
        [
            {
                "type": "response.completed",
                "response": {
                    "output": [{CANARY_KEY: 1, "type": "message", "content": [CANARY_KEY]}]
                },
            }
        ],
    ],
    ids=["error", "bare error", "failed", "nonsense"],
)
def test_a_key_in_a_failure_is_taken_out(run_with, events):
    run, _ = run_with(lambda h, _: send_events(h, events))
    assert run.status == "failed"
    assert CANARY_KEY not in run.to_json()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.failed", "response": {"error": "out of order"}},
        {"type": "response.failed", "response": 5},
        {"type": "response.failed"},
        {"type": "response.failed", "response": {"error": {"message": {"a": 1}}}},
        {"type": "response.failed", "response": {"error": {"message": "x" * 10**6}}},
    ],
    ids=lambda event: str(event)[:70],
)
def test_a_failure_of_an_odd_form_is_told(run_with, event):
    run, _ = run_with(lambda h, _: send_events(h, [event]))
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert 0 < len(run.last_error.message) <= 2000


def test_an_error_of_great_length_still_says_what_to_do(run_with):
    run, _ = run_with(lambda h, _: send_json(h, 401, {"error": {"message": "x" * 10**6}}))
    assert run.last_error.message.endswith("Look at OPENAI_API_KEY.")
    assert len(run.last_error.message) < 2000


ENDLESS = {
    "line": b"x" * 65536,
    "event": b"data: x\n" * 8192,
    "events": b'data: {"type": "other"}\n\n' * 2700,
}


@pytest.mark.parametrize("piece", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_an_end_is_ended(run_with, monkeypatch, piece):
    monkeypatch.setattr(guard, "MOST_OF_AN_EVENT", 2**20)
    monkeypatch.setattr(guard, "MOST_OF_A_TURN", 2 * 2**20)
    sent = []

    def flood(handler, body):
        send_events(handler, [])
        try:
            while sum(sent) < 64 * 2**20:
                sent.append(handler.wfile.write(piece))
        except OSError:
            pass

    run, _ = run_with(flood)
    assert (run.status, run.last_error.code) == ("failed", "server_error")
    assert "without an end" in run.last_error.message
    assert sum(sent) < 64 * 2**20
