"""Null for what may be left out counts as left out: frameworks such as Marvin send it."""

import httpx2
import pytest
from openai import OpenAI

from tests.conftest import MODEL

SAY = {"role": "user", "content": "x"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}

# What is created, the body without nulls, and what is null as well.
CREATED = [
    ("threads", {}, ["messages", "metadata", "tool_resources"]),
    ("assistants", {"model": MODEL}, ["tools", "tool_resources", "metadata", "response_format"]),
    ("assistants", {"model": MODEL}, ["name", "temperature", "top_p", "reasoning_effort"]),
    ("vector_stores", {}, ["file_ids", "chunking_strategy", "name", "description"]),
    (
        "threads/{thread}/runs",
        {"assistant_id": "{assistant}"},
        ["parallel_tool_calls", "tools", "model", "stream", "additional_messages", "metadata"],
    ),
    (
        "threads/{thread}/runs",
        {"assistant_id": "{assistant}"},
        ["temperature", "tool_choice", "response_format", "truncation_strategy", "instructions"],
    ),
    ("threads/runs", {"assistant_id": "{assistant}"}, ["thread", "tool_resources"]),
]


def shape(answer: dict) -> dict:
    """Return an answer without ids and times."""
    return {k: v for k, v in answer.items() if not k.endswith(("id", "_at"))}


@pytest.fixture
def post(client: OpenAI):
    def post(path: str, body: dict) -> dict:
        headers = {"Authorization": f"Bearer {client.api_key}"}
        answer = httpx2.post(f"{client.base_url}{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return post


@pytest.mark.parametrize(
    ("path", "body", "nulls"), CREATED, ids=[f"{p} {n}" for p, _, n in CREATED]
)
def test_null_is_as_good_as_nothing(client, post, assistant, path, body, nulls):
    def answer(body: dict) -> dict:
        where = path.format(thread=client.beta.threads.create().id)
        return shape(post(where, body))

    if "assistant_id" in body:
        body = {**body, "assistant_id": assistant.id}
    assert answer(body | dict.fromkeys(nulls)) == answer(body)


@pytest.mark.parametrize("nulls", [["detail"], []])
def test_the_detail_of_an_image(post, thread, nulls):
    part = {**IMAGE, "image_url": IMAGE["image_url"] | dict.fromkeys(nulls)}
    message = post(f"threads/{thread.id}/messages", {"role": "user", "content": [part]})
    assert message["content"][0]["image_url"]["detail"] == "auto"


def test_null_in_a_change_leaves_what_cannot_be_null(client, post):
    tools = [{"type": "code_interpreter"}]
    made = client.beta.assistants.create(model=MODEL, tools=tools, name="Tutor")
    nulls = dict.fromkeys(["model", "tools", "tool_resources", "name"])
    changed = post(f"assistants/{made.id}", nulls)
    assert (changed["model"], changed["tools"], changed["name"]) == (MODEL, tools, None)


def test_an_empty_change_leaves_the_metadata(client, post, assistant, thread):
    labels = {"metadata": {"a": "b"}}
    message = client.beta.threads.messages.create(thread.id, **SAY, **labels)
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5, **labels
    )
    for path in (f"messages/{message.id}", f"runs/{run.id}"):
        assert post(f"threads/{thread.id}/{path}", {})["metadata"] == {"a": "b"}
        assert post(f"threads/{thread.id}/{path}", {"metadata": {}})["metadata"] == {}


def test_what_is_null_inside_a_format_is_not_there(client, post):
    schema = {"type": "object", "properties": {"a": {"default": None}}}
    wanted = {"name": "s", "schema": schema}
    body = {"type": "json_schema", "json_schema": wanted | {"description": None, "strict": None}}
    made = post("assistants", {"model": MODEL, "response_format": body})
    assert made["response_format"] == {"type": "json_schema", "json_schema": wanted}
