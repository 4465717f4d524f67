"""Parameters that other tests do not use: each does what the SDK's documentation says of it."""

import time
from contextlib import closing

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import FileObject, VectorStore

from assistants_server.file_search import library
from assistants_server.store import Store
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.strict import check
from tests.test_file_search import INCLUDE, TOOLS
from tests.test_vector_stores import FOURIER, GROUPS, add, upload

DAY = 86_400


@pytest.fixture
def client(fresh_client: OpenAI) -> OpenAI:
    """A client of a server of its own, since most tests here count all there is."""
    return fresh_client


@pytest.fixture
def store(client: OpenAI) -> VectorStore:
    return client.vector_stores.create()


@pytest.mark.parametrize(
    ("purpose", "given", "seconds"),
    [
        ("assistants", None, None),
        ("assistants", 3600, 3600),
        ("user_data", 2_592_000, 2_592_000),
        ("batch", None, 30 * DAY),
        ("batch", 3600, 3600),
    ],
)
def test_a_file_says_when_it_expires(client, purpose, given, seconds):
    more = {"expires_after": {"anchor": "created_at", "seconds": given}} if given else {}
    file = client.files.create(file=("a.txt", b"x"), purpose=purpose, **more)
    assert file.expires_at == (file.created_at + seconds if seconds else None)
    assert client.files.retrieve(file.id) == file


def expiring(client: OpenAI) -> str:
    """Upload a file that expires in an hour, and return its id."""
    return client.files.create(
        file=("groups.md", GROUPS),
        purpose="assistants",
        expires_after={"anchor": "created_at", "seconds": 3600},
    ).id


def an_hour_passes(monkeypatch) -> None:
    later = int(time.time()) + 3600
    monkeypatch.setattr(library, "now", lambda: later)


def test_an_expired_file_is_gone_from_everywhere(client, store, monkeypatch, tmp_path):
    file_id = expiring(client)
    client.vector_stores.files.create_and_poll(
        file_id, vector_store_id=store.id, poll_interval_ms=5
    )
    kept = upload(client, "fourier.md", FOURIER)
    an_hour_passes(monkeypatch)
    assert [file.id for file in client.files.list()] == [kept.id]
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError, match=f"No file found with id '{file_id}'"):
            call(file_id)
    folder = tmp_path / "assistants.db.files"
    until(lambda: [path.name for path in folder.iterdir()] == [kept.id])
    until(lambda: client.vector_stores.retrieve(store.id).file_counts.total == 0)
    assert client.vector_stores.search(store.id, query="neutral element").data == []


def test_an_expired_file_is_deleted_though_nobody_asks(client, monkeypatch, tmp_path):
    expiring(client)
    an_hour_passes(monkeypatch)
    until(lambda: list((tmp_path / "assistants.db.files").iterdir()) == [])


def test_what_is_due_of_files_is_not_taken_for_runs(tmp_path):
    """They share a column of the database."""
    with closing(Store(tmp_path / "a.db")) as store:
        expiring = {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "expires_at": 5}
        more = {"filename": "a", "purpose": "assistants", "status": "processed"}
        store.insert(FileObject.model_validate(expiring | more))
        assert (store.due(4, FileObject), store.due(5, FileObject)) == ([], ["file-1"])
        assert store.due(5) == []


def test_an_upload_that_is_no_form_says_what_to_send(client):
    headers = {"Authorization": f"Bearer {client.api_key}"}
    answer = httpx2.post(f"{client.base_url}files", headers=headers, json={"file": "x"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "file")
    assert "multipart/form-data" in error["message"]


@pytest.mark.parametrize("key", ["file_ids", "files"])
def test_a_batch_has_up_to_2000_files(client, store, key):
    wanted = ["file-x" if key == "file_ids" else {"file_id": "file-x"}]
    with pytest.raises(NotFoundError, match="No file found"):
        client.vector_stores.file_batches.create(store.id, **{key: wanted * 2000})
    with pytest.raises(BadRequestError) as error:
        client.vector_stores.file_batches.create(store.id, **{key: wanted * 2001})
    assert error.value.param == key


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "seconds"),
        ({"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"}, "anchor"),
        ({"expires_after[seconds]": "3600"}, "anchor"),
        ({"expires_after[anchor]": "created_at"}, "seconds"),
        (
            {
                "expires_after[anchor]": "created_at",
                "expires_after[seconds]": "3600",
                "expires_after[days]": "1",
            },
            "days",
        ),
        ({"expires_after": "3600"}, ""),
        ({"expires_after": "3600", "expires_after[seconds]": "3600"}, "[seconds]"),
    ],
)
def test_a_wrong_expires_after_of_a_file_is_named(client, form, param):
    answer = httpx2.post(
        f"{client.base_url}files",
        headers={"Authorization": f"Bearer {client.api_key}"},
        data={"purpose": "assistants", **form},
        files={"file": ("a.txt", b"x")},
    )
    assert answer.status_code == 400
    separator = "" if param[:1] in ("", "[") else "."
    assert answer.json()["error"]["param"] == f"expires_after{separator}{param}"
    assert client.files.list().data == []


def test_the_description_of_a_vector_store_is_kept(client):
    made = client.vector_stores.create(name="papers", description="What we have read.")
    client.vector_stores.update(made.id, name="articles")
    (listed,) = client.vector_stores.list().data
    for store in (made, client.vector_stores.retrieve(made.id), listed):
        assert store.to_dict()["description"] == "What we have read."
    check(client.vector_stores.create().to_dict(), VectorStore)
    with pytest.raises(BadRequestError) as error:
        client.vector_stores.create(description="x" * 513)
    assert error.value.param == "description"


def test_null_ends_what_was_set_of_a_vector_store(client):
    expiry = {"anchor": "last_active_at", "days": 1}
    made = client.vector_stores.create(name="papers", expires_after=expiry, metadata={"a": "b"})
    assert made.expires_at == made.last_active_at + DAY
    changed = client.vector_stores.update(made.id, expires_after=None, metadata=None, name=None)
    assert (changed.expires_after, changed.expires_at) == (None, None)
    assert (changed.metadata, changed.name) == (None, "papers")


def test_null_ends_the_attributes_of_a_file(client, store):
    file = add(client, store, "groups.md", GROUPS, attributes={"week": 3})
    changed = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes=None)
    assert changed.attributes == {}
    filters = {"type": "eq", "key": "week", "value": 3}
    assert client.vector_stores.search(store.id, query="group", filters=filters).data == []


def test_a_query_is_rewritten_to_the_words_that_are_searched_for(client, store):
    add(client, store, "groups.md", GROUPS)
    add(client, store, "fourier.md", FOURIER)
    query = ["What does the paper say about a Fourier transform?", "Is it linear?"]
    search = client.vector_stores.search
    plain, rewritten = (
        search(store.id, query=query, rewrite_query=rewriting) for rewriting in (False, True)
    )
    assert plain.to_dict()["search_query"] == query
    assert rewritten.to_dict()["search_query"] == ["fourier transform", "linear"]
    assert rewritten.data == plain.data != []


def test_a_query_without_a_telling_word_is_rewritten_to_itself(client, store):
    found = client.vector_stores.search(store.id, query="what is it", rewrite_query=True)
    assert found.to_dict()["search_query"] == ["what is it"]


def test_the_highest_effort_is_kept(client, thread):
    assistant = client.beta.assistants.create(model=MODEL, reasoning_effort="max")
    assert assistant.reasoning_effort == "max"
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    assert run.to_dict()["reasoning_effort"] == "max"


@pytest.mark.parametrize("include", [INCLUDE, []], ids=["included", "left out"])
def test_a_stream_includes_what_was_found_if_that_is_asked_for(client, store, include):
    add(client, store, "groups.md", GROUPS)
    assistant = client.beta.assistants.create(
        model=MODEL, tools=TOOLS, tool_resources={"file_search": {"vector_store_ids": [store.id]}}
    )
    question = {"role": "user", "content": "What do the documents say about groups?"}
    thread = client.beta.threads.create(messages=[question])
    with client.beta.threads.runs.create(
        thread.id, assistant_id=assistant.id, stream=True, include=include
    ) as events:
        ended = [event.data for event in events if event.event == "thread.run.step.completed"]
    (call,) = next(step for step in ended if step.type == "tool_calls").step_details.tool_calls
    (result,) = call.file_search.results
    assert bool(result.content) == bool(include)


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_page_of_files_has_up_to_10000(client, limit):
    assert client.files.list(limit=10_000).data == []
    with pytest.raises(BadRequestError) as error:
        client.files.list(limit=limit)
    assert error.value.param == "limit"
