"""Two servers on one database: each file is read once and whole, whoever is killed."""

import asyncio
import signal
import sqlite3
import threading
from pathlib import Path

import httpx2
from openai import OpenAI
from openai.types import FileObject
from openai.types.vector_stores import VectorStoreFile

from assistants_server.file_search import Library, chunking
from assistants_server.file_search.index import Index
from assistants_server.file_search.rows import AUTO
from assistants_server.store import Store
from tests.attacks.waiting import until
from tests.serving import connected
from tests.test_alone import alone
from tests.test_vector_stores import GROUPS, add, upload


def text(number: int, length: int) -> bytes:
    return b"".join(b"Line %d of %d is about groups.\n\n" % (n, number) for n in range(length))


def assert_whole(database: Path, texts: dict[str, bytes]) -> None:
    """The index holds exactly the passages of these files, and can be searched."""
    with sqlite3.connect(f"{database}.index") as index:
        for file_id, content in texts.items():
            found = index.execute(
                "SELECT p.text FROM passages p JOIN files f ON f.seq = p.owner "
                "WHERE f.file = ? ORDER BY p.number",
                (file_id,),
            ).fetchall()
            assert [piece for (piece,) in found] == list(chunking.cut(content.decode()))
        index.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    index.close()


def test_two_living_servers_read_each_file_once_and_whole(tmp_path):
    database = tmp_path / "a.db"
    with connected(database) as one, connected(database) as other:
        clients = [one, other]
        store = clients[0].vector_stores.create()
        texts, batches = {}, []
        for round in range(5):
            for client in clients:
                some = {}
                for number in range(8):
                    content = text(number, 600)
                    some[upload(client, f"{round}{number}.md", content).id] = content
                texts |= some
                batches.append(
                    client.vector_stores.file_batches.create(store.id, file_ids=list(some))
                )
        for batch in batches:
            done = clients[1].vector_stores.file_batches.poll(
                batch.id, vector_store_id=store.id, poll_interval_ms=20
            )
            assert done.file_counts.completed == 8
    assert_whole(database, texts)


def test_a_living_server_reads_what_a_killed_one_has_begun(tmp_path):
    database = tmp_path / "a.db"
    with alone(database) as process:
        client = OpenAI(base_url=process.base_url, api_key=process.token)
        shelf = client.vector_stores.create()
        texts = {}
        for number in range(6):
            content = text(number, 4000)
            texts[upload(client, f"{number}.md", content).id] = content
        client.vector_stores.file_batches.create(shelf.id, file_ids=list(texts))
        store = Store(database)  # a second server, which has nothing to do
        with sqlite3.connect(f"{database}.index") as index:
            until(lambda: index.execute("SELECT id FROM passages").fetchone())
        index.close()
        process.send_signal(signal.SIGKILL)
        process.wait()

    async def adopt() -> dict[str, int]:
        library = Library(store)
        await library.adopt(store.living_owners())
        await library.ready([shelf.id], 60)
        counts = (await library.get(shelf.id)).file_counts
        await library.close()
        return counts

    counts = asyncio.run(adopt())
    store.close()
    assert (counts.completed, counts.total) == (6, 6)
    assert_whole(database, texts)


def test_a_server_that_is_alive_keeps_what_it_has_begun(tmp_path):
    """Even if whoever asked for the living servers did so before this one arrived."""
    ours, theirs = Store(tmp_path / "a.db"), Store(tmp_path / "a.db")

    async def adopt() -> set[str | None]:
        library = Library(ours)
        shelf = await library.create(name="", metadata={})
        index = Index(tmp_path / "a.db.index")
        index.add([(unread(shelf.id), "a.md")], None)
        index.claim(theirs.owner)
        await library.adopt({ours.owner})
        await library.ready([shelf.id], 1)
        readers = index.readers()
        index.close()
        await library.close()
        return readers

    file = FileObject(
        id="file-" + "a" * 24,
        object="file",
        bytes=1,
        created_at=1,
        filename="a.md",
        purpose="assistants",
        status="processed",
    )
    ours.insert(file)

    def unread(store_id: str) -> VectorStoreFile:
        return VectorStoreFile.model_validate(
            {
                "id": file.id,
                "object": "vector_store.file",
                "created_at": 1,
                "status": "in_progress",
                "usage_bytes": 0,
                "vector_store_id": store_id,
                "chunking_strategy": AUTO,
            }
        )

    assert asyncio.run(adopt()) == {theirs.owner}
    ours.close()
    theirs.close()


def test_nothing_is_made_where_there_is_nothing_to_adopt(tmp_path):
    store = Store(tmp_path / "a.db")

    async def adopt() -> None:
        library = Library(store)
        await library.adopt({"somebody else"})
        await library.adopt(set())
        await library.close()

    asyncio.run(adopt())
    store.close()
    assert not (tmp_path / "a.db.index").exists()


def test_an_index_that_another_process_locks_delays_only_what_needs_it(client, server, database):
    store = client.vector_stores.create()
    add(client, store, "groups.md", GROUPS)
    file = upload(client, "later.md", GROUPS)
    lock = sqlite3.connect(f"{database}.index", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    added = []
    adding = threading.Thread(
        target=lambda: added.append(client.vector_stores.files.create(store.id, file_id=file.id))
    )
    adding.start()
    for _ in range(20):
        assert httpx2.get(server.base_url.replace("/v1", "/health")).status_code == 200
        assert client.vector_stores.search(store.id, query="neutral element").data
        assert client.vector_stores.retrieve(store.id).file_counts.total == 1
    assert added == []
    lock.execute("ROLLBACK")
    lock.close()
    adding.join()
    assert added[0].status == "in_progress"
    until(lambda: client.vector_stores.retrieve(store.id).file_counts.completed == 2)
