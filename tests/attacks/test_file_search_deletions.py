"""Whatever is deleted while it is added, read or searched: runs end, and nothing is left behind."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from openai import APIStatusError, NotFoundError

from assistants_server.file_search import Library
from assistants_server.file_search.index import Index
from assistants_server.store import VectorStoreRow
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.serving import connected
from tests.test_file_search import TOOLS
from tests.test_vector_stores import GROUPS, add, upload


@pytest.fixture
def server(fresh_server):
    """A server for each test: they look at all that it keeps."""
    return fresh_server


def rows_left(database) -> tuple[int, int, int]:
    """Return how many files, passages and words the index holds."""
    with sqlite3.connect(f"{database}.index") as index:
        counts = [
            index.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("files", "passages", "words_docsize")
        ]
    index.close()
    return tuple(counts)


@pytest.mark.parametrize("step", ["ready", "search"])
def test_a_run_ends_when_its_vector_store_is_deleted_under_it(client, server, monkeypatch, step):
    store = client.vector_stores.create()
    add(client, store, "groups.md", GROUPS)
    assistant = client.beta.assistants.create(
        model=MODEL, tools=TOOLS, tool_resources={"file_search": {"vector_store_ids": [store.id]}}
    )
    proper = getattr(Library, step)

    async def deleting(self, *args, **kwargs):
        self._store.delete(VectorStoreRow, store.id)
        return await proper(self, *args, **kwargs)

    monkeypatch.setattr(Library, step, deleting)
    run = client.beta.threads.create_and_run(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "What do the documents say of groups?"}]},
    )

    def ended():
        now = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        return now.status not in ("queued", "in_progress") and now

    assert until(ended, 30).status == "completed"


def test_what_is_deleted_while_it_is_added_leaves_nothing_in_the_index(client, tmp_path):
    """Stores and files are deleted while files are added to them and read."""
    client = client.with_options(timeout=60)

    def round(number: int) -> None:
        store = client.vector_stores.create()
        files = [upload(client, f"{each}.md", GROUPS * 300) for each in range(3)]

        def adding() -> None:
            """Add them again and again, until they are gone."""
            with suppress(NotFoundError):
                while True:
                    for file in files:
                        client.vector_stores.files.create(store.id, file_id=file.id)
                    client.vector_stores.file_batches.create(
                        store.id, file_ids=[file.id for file in files]
                    )

        def deleting() -> None:
            for file in files[: number % 3]:
                client.files.delete(file.id)
            client.vector_stores.delete(store.id)
            for file in files[number % 3 :]:
                client.files.delete(file.id)

        with ThreadPoolExecutor(2) as both:
            added = both.submit(adding)
            until(lambda: client.vector_stores.retrieve(store.id).file_counts.total)
            both.submit(deleting).result()
            added.result()

    with ThreadPoolExecutor(4) as several:
        list(several.map(round, range(24)))
    until(lambda: rows_left(tmp_path / "assistants.db") == (0, 0, 0))


def test_what_a_killed_server_has_not_cleared_up_is_cleared_up_at_the_next_start(tmp_path):
    database = tmp_path / "a.db"
    with connected(database) as client:
        stores = [client.vector_stores.create() for _ in range(2)]
        files = [add(client, store, "groups.md", GROUPS * 50) for store in stores for _ in range(2)]
    with sqlite3.connect(database) as objects:  # as if it had been killed in between
        objects.execute("DELETE FROM objects WHERE id IN (?, ?)", (stores[0].id, files[2].id))
    objects.close()
    with connected(database) as client:
        until(lambda: rows_left(database)[0] == 1)
        kept = client.vector_stores.files.content(files[3].id, vector_store_id=stores[1].id).data
        until(lambda: rows_left(database) == (1, len(kept), len(kept)))


def test_a_file_that_is_changed_while_it_is_read_is_read_once(client):
    """Its attributes change again and again; the end of the reading is not overwritten."""
    store = client.vector_stores.create()
    file = upload(client, "groups.md", GROUPS * 3000)
    client.vector_stores.files.create(store.id, file_id=file.id)
    week = 0
    while client.vector_stores.files.retrieve(file.id, vector_store_id=store.id).status != (
        "completed"
    ):
        week += 1
        client.vector_stores.files.update(
            file.id, vector_store_id=store.id, attributes={"week": week}
        )
    now = client.vector_stores.files.update(
        file.id, vector_store_id=store.id, attributes={"week": week + 1}
    )
    assert (now.status, now.attributes) == ("completed", {"week": week + 1})


def test_adding_a_file_that_has_just_been_deleted_is_refused(client):
    store = client.vector_stores.create()
    file = upload(client, "groups.md", GROUPS)
    client.files.delete(file.id)
    for call in (
        lambda: client.vector_stores.files.create(store.id, file_id=file.id),
        lambda: client.vector_stores.file_batches.create(store.id, file_ids=[file.id]),
        lambda: client.vector_stores.create(file_ids=[file.id]),
    ):
        with pytest.raises(APIStatusError, match="No file found"):
            call()
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    assert [each.id for each in client.vector_stores.list()] == [store.id]


@pytest.mark.parametrize("what", ["store", "file"])
def test_what_is_deleted_just_before_it_is_added_leaves_nothing(
    client, tmp_path, monkeypatch, what
):
    """The deletion comes between the look at what is there and the writing into the index."""
    store = client.vector_stores.create()
    file = upload(client, "groups.md", GROUPS)
    proper = Index.add

    def add_too_late(*args, **kwargs) -> None:
        with sqlite3.connect(tmp_path / "assistants.db") as objects:
            deleted = store.id if what == "store" else file.id
            objects.execute("DELETE FROM objects WHERE id = ?", (deleted,))
        objects.close()
        proper(*args, **kwargs)

    monkeypatch.setattr(Index, "add", add_too_late)
    with pytest.raises(NotFoundError, match=f"No {'vector store' if what == 'store' else what}"):
        client.vector_stores.files.create(store.id, file_id=file.id)
    until(lambda: rows_left(tmp_path / "assistants.db") == (0, 0, 0))
