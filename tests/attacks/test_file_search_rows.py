"""One bad row or one failing step never stops file search."""

import json
import sqlite3
from pathlib import Path

import httpx2
import pytest

from assistants_server.file_search.index import Index
from tests.attacks.waiting import until
from tests.serving import connected
from tests.test_vector_stores import GROUPS, add, upload

# As the index was before a server claimed what it reads.
FIRST_SCHEMA = """
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT NOT NULL, file TEXT NOT NULL, batch TEXT,
    name TEXT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (store, file)
);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, number INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX passages_by_owner ON passages (owner);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'passages', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
"""


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["files", "files/{file}", "file_batches", "search"])
def test_a_number_that_json_does_not_know_is_refused_by_name(server, client, value, place):
    store = client.vector_stores.create()
    file = add(client, store, "groups.md", GROUPS)
    attributes = f'"attributes": {{"week": {value}}}'
    filters = f'{{"type": "eq", "key": "week", "value": {value}}}'
    body = {
        "files": f'{{"file_id": "{file.id}", {attributes}}}',
        "files/{file}": f"{{{attributes}}}",
        "file_batches": f'{{"file_ids": ["{file.id}"], {attributes}}}',
        "search": f'{{"query": "group", "filters": {filters}}}',
    }[place]
    answer = httpx2.post(
        f"{server.base_url}/vector_stores/{store.id}/{place.format(file=file.id)}",
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
        content=body,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(
        "filters" if place == "search" else "attributes"
    )
    (listed,) = client.vector_stores.files.list(store.id)
    assert (listed.status, listed.attributes) == ("completed", {})


def in_the_first_schema(index: Path) -> None:
    """Take an index back to where the earlier version left it."""
    with sqlite3.connect(index) as connection:
        files = connection.execute(
            "SELECT seq, store, file, batch, name, status, body FROM files"
        ).fetchall()
        passages = connection.execute("SELECT id, owner, number, text FROM passages").fetchall()
    for path in index.parent.glob(f"{index.name}*"):
        path.unlink()
    with sqlite3.connect(index) as connection:
        connection.executescript(FIRST_SCHEMA)
        connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", files)
        connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", passages)
        connection.executemany(
            "INSERT INTO words (rowid, text) VALUES (?, ?)", [(row[0], row[3]) for row in passages]
        )


@pytest.mark.parametrize("is_old", [True, False], ids=["first-schema", "now"])
@pytest.mark.parametrize("status", ["in_progress", "completed"])
@pytest.mark.parametrize("damage", ["null", "cut off", "no object", "status"])
def test_a_bad_row_is_repaired_and_everything_else_goes_on(
    tmp_path, caplog, is_old, status, damage
):
    database = tmp_path / "a.db"
    with connected(database) as client:
        store = client.vector_stores.create()
        bad = add(client, store, "bad.md", GROUPS, attributes={"week": 3, "grade": 1.0})
        good = add(client, store, "good.md", GROUPS)
    index = tmp_path / "a.db.index"
    if is_old:
        in_the_first_schema(index)
    body = bad.to_dict() | {"status": status}
    body["attributes"] = {"week": 3, "grade": None}  # what was stored for NaN
    written = {
        "null": json.dumps(body),
        "cut off": json.dumps(body)[:50],
        "no object": "[]",
        "status": json.dumps(body | {"status": "lost", "attributes": "none"}),
    }[damage]
    with sqlite3.connect(index) as connection:
        connection.execute(
            "UPDATE files SET status = ?, body = ? WHERE file = ?", (status, written, bad.id)
        )
    connection.close()

    with connected(database) as client:
        files = client.vector_stores.files
        later = add(client, store, "later.md", GROUPS)
        assert later.status == "completed"
        listed = files.list(store.id, order="asc").data
        assert [file.id for file in listed] == [bad.id, good.id, later.id]
        assert until(lambda: files.retrieve(bad.id, vector_store_id=store.id).status == "completed")
        repaired = files.retrieve(bad.id, vector_store_id=store.id)
        assert repaired.attributes == ({"week": 3} if damage == "null" else {})
        assert client.vector_stores.retrieve(store.id).file_counts.completed == 3
        found = client.vector_stores.search(store.id, query="neutral element").data
        assert {hit.file_id for hit in found} == {bad.id, good.id, later.id}
        assert files.delete(bad.id, vector_store_id=store.id).deleted
        assert [file.id for file in files.list(store.id)] == [later.id, good.id]
    logged = [record.fields for record in caplog.records if record.msg == "row repaired"]
    assert logged[0]["file"] == bad.id
    assert logged[0]["why"]


@pytest.mark.parametrize("step", ["claim", "forget_some", "write", "finish", "sweep"])
@pytest.mark.parametrize("error", [RuntimeError, sqlite3.OperationalError])
def test_a_step_that_fails_once_stops_no_other_file(client, monkeypatch, step, error, caplog):
    store = client.vector_stores.create()
    proper, times = getattr(Index, step), []

    def failing(*args, **kwargs):
        times.append(step)
        if len(times) == 1:
            raise error("a failure of the test")
        return proper(*args, **kwargs)

    monkeypatch.setattr(Index, step, failing)
    names = ("first.md", "second.md", "third.md")
    batch = client.vector_stores.file_batches.create(
        store.id, file_ids=[upload(client, name, GROUPS).id for name in names]
    )
    done = client.vector_stores.file_batches.poll(
        batch.id, vector_store_id=store.id, poll_interval_ms=20
    )
    assert done.file_counts.in_progress == 0
    assert done.file_counts.failed <= 1
    assert add(client, store, "later.md", GROUPS).status == "completed"
    assert until(lambda: times)
    assert until(lambda: any(record.exc_info for record in caplog.records))
