"""Live mode: a second server plays the model's part, reached like any other Responses API."""

import json

import pytest
from openai import APIStatusError

from assistants_server.engine import Upstream
from tests.conftest import MODEL
from tests.serving import client_of, connected, serving
from tests.upstream import CANARY_KEY, send_events, send_json, upstream


@pytest.fixture
def live(server, tmp_path):
    """A client of a live server whose upstream is the offline `server`."""
    address = Upstream(server.base_url, server.token)
    with connected(tmp_path / "live.db", upstream=address) as client:
        yield client


def test_a_run_asks_the_upstream(live):
    assistant = live.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
    for question, part in (("Solve 3x + 11 = 14", "x = 1"), ("The first 4 primes", "[2, 3, 5, 7]")):
        run = live.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": question}]},
            poll_interval_ms=5,
        )
        message = live.beta.threads.messages.list(run.thread_id, limit=1).data[0]
        assert part in message.content[0].text.value


def test_what_is_not_ours_passes_through_whole_and_streamed(live):
    chat = [{"role": "user", "content": "What is 2 + 2?"}]
    whole = live.chat.completions.create(model=MODEL, messages=chat)
    assert whole.choices[0].message.content == "2 + 2 = 4."
    pieces = live.chat.completions.create(model=MODEL, messages=chat, stream=True)
    assert "".join(p.choices[0].delta.content or "" for p in pieces) == "2 + 2 = 4."
    assert live.responses.create(model=MODEL, input="What is 2 + 2?").output_text == "2 + 2 = 4."
    events = list(live.responses.create(model=MODEL, input="What is 2 + 2?", stream=True))
    assert events[-1].type == "response.completed"


def test_errors_of_the_upstream_pass_through(live):
    with pytest.raises(APIStatusError) as error:
        live.embeddings.create(model=MODEL, input="x")
    assert error.value.status_code == 404
    with pytest.raises(APIStatusError) as error:
        live.responses.create(model=MODEL, input="x", extra_body={"nonsense": 1})
    assert (error.value.status_code, error.value.param) == (400, "nonsense")


def test_the_key_goes_to_the_upstream_and_nowhere_else(tmp_path):
    seen = []

    def answer(handler, body):
        seen.append({name.lower(): value for name, value in handler.headers.items()})
        if handler.path.endswith("/responses"):
            send_events(handler, [])
        else:
            send_json(handler, 401, {"error": {"message": f"bad key {CANARY_KEY}", "type": "x"}})

    with upstream(answer) as address, serving(tmp_path / "a.db", upstream=address) as front:
        client = client_of(front)
        with pytest.raises(APIStatusError) as error:
            client.chat.completions.create(model=MODEL, messages=[])
        assistant = client.beta.assistants.create(model=MODEL)
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, poll_interval_ms=5)
    assert [headers["authorization"] for headers in seen] == [f"Bearer {CANARY_KEY}"] * 2
    assert front.token not in json.dumps(seen)
    assert CANARY_KEY not in str(error.value) + run.to_json()
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or CANARY_KEY.encode() not in path.read_bytes()


def test_an_upstream_that_is_away(tmp_path):
    with upstream(lambda *_: None) as gone:
        pass
    with (
        connected(tmp_path / "a.db", upstream=gone) as client,
        pytest.raises(APIStatusError, match="OPENAI_BASE_URL") as error,
    ):
        client.models.list()
    assert error.value.status_code == 502
