"""Tool resources: what a change leaves alone, and what is gone when a vector store is deleted."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.test_vector_stores import GROUPS, upload

TOOLS = [{"type": "code_interpreter"}, {"type": "file_search"}]
TO_SEARCH = [{"type": "file_search"}]


@pytest.fixture
def file_id(client: OpenAI) -> str:
    return upload(client, "groups.md", GROUPS).id


@pytest.fixture
def store_id(client: OpenAI) -> str:
    return client.vector_stores.create().id


@pytest.fixture(params=["assistants", "threads"])
def owners(client: OpenAI, request):
    """The methods for assistants, or for threads; and what a new one needs."""
    methods = getattr(client.beta, request.param)
    return methods, {"model": MODEL, "tools": TOOLS} if request.param == "assistants" else {}


def names(owner) -> tuple[list[str], list[str]]:
    resources = owner.tool_resources
    return resources.code_interpreter.file_ids, resources.file_search.vector_store_ids


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"file_search": {}},
        {"code_interpreter": {}},
        {"file_search": {}, "code_interpreter": {}},
        {"file_search": {"vector_store_ids": None}, "code_interpreter": None},
        None,
    ],
)
def test_a_change_leaves_alone_what_it_does_not_name(owners, file_id, store_id, change):
    methods, needed = owners
    resources = {
        "code_interpreter": {"file_ids": [file_id]},
        "file_search": {"vector_store_ids": [store_id]},
    }
    made = methods.create(**needed, tool_resources=resources)
    changed = methods.update(made.id, tool_resources=change)
    assert names(changed) == names(methods.retrieve(made.id)) == ([file_id], [store_id])


def test_a_change_of_one_tool_keeps_the_others(owners, file_id, store_id):
    methods, needed = owners
    searching = {"file_search": {"vector_store_ids": [store_id]}}
    made = methods.create(**needed, tool_resources=searching)
    coding = {"code_interpreter": {"file_ids": [file_id]}}
    assert names(methods.update(made.id, tool_resources=coding)) == ([file_id], [store_id])
    emptied = methods.update(made.id, tool_resources={"file_search": {"vector_store_ids": []}})
    assert names(emptied) == ([file_id], [])


def test_a_deleted_vector_store_is_gone_from_them(client, owners, store_id):
    methods, needed = owners
    made = methods.create(
        **needed, tool_resources={"file_search": {"vector_store_ids": [store_id]}}
    )
    client.vector_stores.delete(store_id)
    found = methods.retrieve(made.id)
    assert found.tool_resources.file_search.vector_store_ids == []
    if needed:
        assert methods.list(limit=1).data == [found]
    changed = methods.update(made.id, tool_resources=found.tool_resources.to_dict())
    assert changed.tool_resources == found.tool_resources


def attached(file_id: str) -> dict:
    return {
        "role": "user",
        "content": "What do the documents say about groups?",
        "attachments": [{"file_id": file_id, "tools": TO_SEARCH}],
    }


@pytest.mark.parametrize("way", ["message", "run"])
def test_a_thread_whose_vector_store_was_deleted_gets_another(client, file_id, store_id, way):
    resources = {"file_search": {"vector_store_ids": [store_id]}}
    thread = client.beta.threads.create(tool_resources=resources)
    client.vector_stores.delete(store_id)
    assistant = client.beta.assistants.create(model=MODEL, tools=TO_SEARCH)
    more = {"additional_messages": [attached(file_id)]} if way == "run" else {}
    if way == "message":
        client.beta.threads.messages.create(thread.id, **attached(file_id))
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5, **more
    )
    assert run.status == "completed", run.last_error
    answer = client.beta.threads.messages.list(thread.id, limit=1).data[0].content[0].text
    assert answer.annotations[0].file_citation.file_id == file_id


def test_what_cannot_be_attached_leaves_no_run_behind(client, assistant, thread, file_id):
    second = attached("file-gone")
    with pytest.raises(NotFoundError, match="file-gone"):
        client.beta.threads.runs.create(
            thread.id,
            assistant_id=assistant.id,
            additional_messages=[attached(file_id), second],
        )
    assert client.beta.threads.runs.list(thread.id).data == []
    assert client.beta.threads.messages.list(thread.id).data == []
    assert client.beta.threads.messages.create(thread.id, role="user", content="free")


def test_a_run_that_is_not_made_attaches_nothing(client, assistant, thread, file_id):
    client.beta.threads.messages.create(thread.id, role="user", content="Count slowly to 100")
    active = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    with pytest.raises(BadRequestError, match=active.id):
        client.beta.threads.runs.create(
            thread.id, assistant_id=assistant.id, additional_messages=[attached(file_id)]
        )
    assert client.beta.threads.retrieve(thread.id).tool_resources.to_dict() == {}
    client.beta.threads.runs.cancel(active.id, thread_id=thread.id)
    until(lambda: client.beta.threads.runs.list(thread.id).data[0].status == "cancelled")
