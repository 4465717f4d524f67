"""Every operation of the Assistants API routes, and every answer is what the SDK promises."""

import httpx2
import pytest
from openai import OpenAI
from openai.types import FileDeleted, FileObject
from openai.types.beta import Assistant, AssistantDeleted, Thread, ThreadDeleted
from openai.types.beta.threads import Message, MessageDeleted, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import BaseModel

from tests.conftest import MODEL
from tests.strict import check

SAY = {"role": "user", "content": "Solve 3x + 11 = 14"}

# Method, path, body, and what comes back; [X] is a list of X.
OPERATIONS = [
    ("POST", "/assistants", {"model": MODEL}, Assistant),
    ("GET", "/assistants", None, [Assistant]),
    ("GET", "/assistants/{assistant}", None, Assistant),
    ("POST", "/assistants/{assistant}", {"name": "New"}, Assistant),
    ("DELETE", "/assistants/{assistant}", None, AssistantDeleted),
    ("POST", "/threads", {"messages": [SAY]}, Thread),
    ("GET", "/threads/{thread}", None, Thread),
    ("POST", "/threads/{thread}", {"metadata": {"a": "b"}}, Thread),
    ("DELETE", "/threads/{thread}", None, ThreadDeleted),
    ("POST", "/threads/{thread}/messages", SAY, Message),
    ("GET", "/threads/{thread}/messages", None, [Message]),
    ("GET", "/threads/{thread}/messages/{message}", None, Message),
    ("POST", "/threads/{thread}/messages/{message}", {"metadata": {"a": "b"}}, Message),
    ("DELETE", "/threads/{thread}/messages/{message}", None, MessageDeleted),
    ("POST", "/threads/{thread}/runs", {"assistant_id": "{assistant}"}, Run),
    ("GET", "/threads/{thread}/runs", None, [Run]),
    ("GET", "/threads/{thread}/runs/{run}", None, Run),
    ("POST", "/threads/{thread}/runs/{run}", {"metadata": {"a": "b"}}, Run),
    ("POST", "/threads/{thread}/runs/{slow_run}/cancel", None, Run),
    ("POST", "/threads/runs", {"assistant_id": "{assistant}", "thread": {"messages": [SAY]}}, Run),
    ("GET", "/threads/{thread}/runs/{run}/steps", None, [RunStep]),
    ("GET", "/threads/{thread}/runs/{run}/steps/{step}", None, RunStep),
    ("GET", "/files", None, [FileObject]),
    ("GET", "/files/{file}", None, FileObject),
    ("DELETE", "/files/{file}", None, FileDeleted),
]


@pytest.fixture
def http(client: OpenAI):
    headers = {"Authorization": f"Bearer {client.api_key}"}
    with httpx2.Client(base_url=str(client.base_url), headers=headers) as http:
        yield http


@pytest.fixture
def ids(client: OpenAI, assistant: Assistant, thread: Thread) -> dict[str, str]:
    """One object of each kind, with a completed run."""
    message = client.beta.threads.messages.create(thread.id, **SAY)
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    step = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data[0]
    file = client.files.create(file=("a.txt", b"text"), purpose="assistants")
    return {
        "assistant": assistant.id,
        "thread": thread.id,
        "message": message.id,
        "run": run.id,
        "step": step.id,
        "file": file.id,
    }


def filled(template: object, ids: dict[str, str]) -> object:
    if isinstance(template, str):
        return template.format(**ids)
    if isinstance(template, dict):
        return {key: filled(value, ids) for key, value in template.items()}
    return template


@pytest.mark.parametrize(
    ("method", "path", "body", "model"), OPERATIONS, ids=[f"{o[0]} {o[1]}" for o in OPERATIONS]
)
def test_answers_with_the_sdks_model(method, path, body, model, http, ids, client):
    if "{slow_run}" in path:
        client.beta.threads.messages.create(
            ids["thread"], role="user", content="Count slowly to 99"
        )
        ids["slow_run"] = client.beta.threads.runs.create(
            ids["thread"], assistant_id=ids["assistant"]
        ).id
    answer = http.request(method, filled(path, ids), json=filled(body, ids))
    assert answer.status_code == 200, answer.text
    if isinstance(model, list):
        page = answer.json()
        assert set(page) == {"object", "data", "first_id", "last_id", "has_more"}
        assert page["object"] == "list"
        assert page["data"], "an empty list proves nothing"
        for item in page["data"]:
            check(item, model[0])
    else:
        check(answer.json(), model)


NOUNS = {
    "assistant": "assistant",
    "thread": "thread",
    "message": "message",
    "run": "run",
    "slow_run": "run",
    "step": "run step",
    "file": "file",
}
LOOKUPS = [(method, path) for method, path, *_ in OPERATIONS if "{" in path]


@pytest.mark.parametrize(("method", "path"), LOOKUPS, ids=[" ".join(o) for o in LOOKUPS])
def test_an_unknown_id_is_a_404_that_names_it(method, path, http, ids):
    last = path[path.rindex("{") + 1 : path.rindex("}")]
    unknown = "nobody_0123456789"
    body = None
    if method == "POST":
        body = {"assistant_id": ids["assistant"]} if path.endswith("/runs") else {}
        body = SAY if path.endswith("/messages") else body
    answer = http.request(method, path.format(**{**ids, last: unknown, "slow_run": "x"}), json=body)
    if last == "slow_run":
        unknown = "x"
    assert answer.status_code == 404, answer.text
    assert answer.json() == {
        "error": {
            "message": f"No {NOUNS[last]} found with id '{unknown}'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


def test_runs_is_not_taken_for_the_id_of_a_thread(http):
    answer = http.post("/threads/runs", json={})
    assert answer.json()["error"]["param"] == "assistant_id"


def test_ids_are_a_prefix_and_24_letters_and_digits(ids):
    prefixes = {"assistant": "asst_", "thread": "thread_", "message": "msg_", "run": "run_"}
    prefixes |= {"step": "step_", "file": "file-"}
    for kind, prefix in prefixes.items():
        rest = ids[kind].removeprefix(prefix)
        assert len(rest) == 24, kind
        assert rest.isalnum(), kind


def test_every_model_was_checked():
    checked = {m if isinstance(m, type) else m[0] for *_, m in OPERATIONS}
    assert all(issubclass(model, BaseModel) for model in checked)
    assert len(checked) == 10
