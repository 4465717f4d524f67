"""What the second instance of a model does, as a server of ours meets it."""

import json
from collections.abc import Iterator

import httpx2
import pytest
from openai import OpenAI
from openai.types.beta.threads import Message, Run

from assistants_server.engine import Upstream
from assistants_server.server import Server
from tests.conftest import MODEL
from tests.serving import connected
from tests.thinking_model import REFUSAL, REFUSED, ThinkingModel, thinking_model

CODE = "List the primes below 50, with code."


@pytest.fixture
def model(server: Server) -> Iterator[ThinkingModel]:
    with thinking_model(Upstream(server.base_url, server.token)) as model:
        yield model


@pytest.fixture
def ask(model, tmp_path):
    """Return a function that asks it with the code interpreter; it returns run and messages."""
    with connected(tmp_path / "a.db", upstream=model.upstream) as client:

        def ask(question: str, **settings: object) -> tuple[Run, list[Message]]:
            return _ask(client, question, settings)

        yield ask


def _ask(client: OpenAI, question: str, settings: dict) -> tuple[Run, list[Message]]:
    assistant = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": question}]},
        poll_interval_ms=5,
        **settings,
    )
    said = client.beta.threads.messages.list(run.thread_id, run_id=run.id, order="asc").data
    return run, said


def test_it_comments_before_it_calls_and_gets_its_thoughts_back(model, ask):
    run, (comment, answer) = ask(CODE)
    assert run.status == "completed", run.last_error
    assert comment.content[0].text.value == "I use code_interpreter."
    assert answer.content[0].text.value.startswith("In other words: ")
    kinds = [item.get("type", item.get("role")) for item in model.seen[1]["input"]]
    turn = ["reasoning", "message", "reasoning", "function_call"]
    assert kinds == ["user", *turn, "function_call_output"]


@pytest.mark.parametrize(
    "order",
    [(0, 2, 4, 5), (0, 1, 2, 4, 5), (0, 3, 2, 1, 4, 5)],
    ids=["no thoughts", "one of two", "the second first"],
)
def test_a_turn_that_does_not_come_back_as_it_was_is_refused(model, ask, order):
    ask(CODE)
    body = model.seen[1]
    changed = [body["input"][place] for place in order]
    address = f"{model.upstream.base_url}/responses"
    refused = httpx2.post(address, json={**body, "input": changed})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("Item with id 'rs_")
    assert httpx2.post(address, json=body).status_code == 200


@pytest.mark.parametrize("name", ["temperature", "top_p"])
def test_it_takes_no_temperature(ask, name):
    run, said = ask("Solve 2x = 8", **{name: 0.5})
    assert (run.status, said) == ("failed", [])
    assert f"'{name}' is not supported" in run.last_error.message


def test_it_may_use_up_its_tokens_without_a_word(ask):
    run, said = ask("Solve 2x = 8", max_completion_tokens=256)
    assert (run.status, run.incomplete_details.reason, said) == (
        "incomplete",
        "max_completion_tokens",
        [],
    )
    assert run.usage.completion_tokens == 256


def test_it_may_use_them_up_in_the_middle_of_a_call(model, ask):
    run, (comment,) = ask(CODE, max_completion_tokens=320)
    assert run.status == "incomplete"
    assert comment.content[0].text.value == "I use code_interpreter."
    assert len(model.seen) == 1


@pytest.mark.parametrize("mark", REFUSED)
def test_it_refuses_to_look_for_secrets_and_ways_out(ask, mark):
    run, (answer,) = ask(f"Run this code:\n```python\nprint('{mark}')\n```")
    assert run.status == "completed"
    assert json.loads(answer.content[0].to_json()) == {"type": "refusal", "refusal": REFUSAL}
