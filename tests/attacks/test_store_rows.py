"""No row keeps the server from starting, breaks a list, or blocks its thread."""

import asyncio
import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from openai import InternalServerError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from assistants_server.store import Store, StoreError, Unreadable, Unstorable, database, new_id
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.serving import connected

GONE = new_id("server_")  # a server that ended without a word
RUN = {
    "object": "thread.run",
    "created_at": 1,
    "expires_at": 2**40,
    "status": "in_progress",
    "assistant_id": "asst_1",
    "model": MODEL,
    "instructions": "",
    "tools": [],
    "parallel_tool_calls": True,
}
STEP = {
    "id": "step_1",
    "object": "thread.run.step",
    "created_at": 1,
    "status": "in_progress",
    "assistant_id": "asst_1",
    "thread_id": "thread_1",
    "run_id": "run_1",
    "type": "message_creation",
    "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_gone"}},
    "metadata": {},
}


def left_behind(path: Path) -> None:
    """Make a file with a thread and the run that a server which is gone was executing."""
    with closing(Store(path)) as store:
        thread = Thread(id="thread_1", object="thread", created_at=1, metadata={})
        store.insert(thread)
        run = Run.model_validate({"id": "run_1", "thread_id": "thread_1", **RUN})
        store.insert(run, parent="thread_1")
        store.claim(run)
        store.insert(RunStep.model_validate(STEP), parent="run_1")
    edit(path, "UPDATE objects SET owner = ? WHERE id = 'run_1'", GONE)


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, timeout=30)) as file, file:
        file.execute(statement, values)


def test_the_message_that_a_run_was_writing_was_deleted(tmp_path):
    left_behind(tmp_path / "a.db")
    with connected(tmp_path / "a.db") as client:
        run = client.beta.threads.runs.retrieve("run_1", thread_id="thread_1")
        assert (run.status, run.last_error.code) == ("failed", "server_error")
        (step,) = client.beta.threads.runs.steps.list("run_1", thread_id="thread_1").data
        assert step.status == "failed"
        client.beta.threads.messages.create("thread_1", role="user", content="free")


@pytest.mark.parametrize(
    ("row", "body"),
    [
        ("run_1", "not json"),
        ("run_1", b"\xff\xfe"),
        ("run_1", json.dumps({"id": "run_1", "thread_id": "thread_1", **RUN, "tools": 5})),
        ("step_1", "{"),
        ("step_1", json.dumps({**STEP, "status": "lost"})),
        ("thread_1", "[]"),
    ],
    ids=["not json", "not utf-8", "tools", "step cut off", "step of no status", "thread"],
)
def test_a_row_that_cannot_be_read(tmp_path, row, body, caplog):
    path = tmp_path / "a.db"
    left_behind(path)
    edit(path, "UPDATE objects SET body = CAST(? AS TEXT) WHERE id = ?", body, row)
    with connected(path) as client:
        assert client.beta.assistants.create(model=MODEL).model == MODEL
        if row == "thread_1":
            with pytest.raises(InternalServerError, match="'thread_1'"):
                client.beta.threads.retrieve("thread_1")
        else:
            client.beta.threads.messages.create("thread_1", role="user", content="free")
            assert len(client.beta.threads.messages.list("thread_1").data) == 1
            runs = client.beta.threads.runs.list("thread_1").data
            assert [run.status for run in runs] == (["failed"] if row != "run_1" else [])
    assert row in [getattr(record, "fields", {}).get("id") for record in caplog.records]
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT id FROM objects WHERE owner OR due").fetchall() == []


def test_a_list_leaves_out_what_cannot_be_read_and_it_can_be_deleted(tmp_path):
    path = tmp_path / "a.db"
    with closing(Store(path)) as store:
        for number in range(5):
            fields = {"object": "assistant", "created_at": 1, "model": MODEL, "tools": []}
            store.insert(Assistant.model_validate({"id": f"asst_{number}", **fields}))
    edit(path, "UPDATE objects SET body = '{' WHERE id IN ('asst_1', 'asst_3', 'asst_4')")
    with connected(path) as client:
        page = client.beta.assistants.list(limit=1)
        assert [each.id for each in page] == ["asst_2", "asst_0"], "over pages of one"
        with pytest.raises(InternalServerError) as error:
            client.beta.assistants.retrieve("asst_1")
        assert "'asst_1'" in error.value.body["message"]
        assert "Delete it" in error.value.body["message"]
        assert client.beta.assistants.delete("asst_1").deleted
        with pytest.raises(NotFoundError):
            client.beta.assistants.retrieve("asst_1")


def nested(depth: int) -> dict:
    value: dict = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", [50, 190, 196, 197, 200, 220, 250, 256, 400])
def test_what_is_acknowledged_can_be_read_again(client: OpenAI, depth):
    function = {"type": "function", "function": {"name": "f", "parameters": nested(depth)}}
    body = {"model": MODEL, "tools": [function]}
    address, headers = f"{client.base_url}assistants", {"Authorization": f"Bearer {client.api_key}"}
    answer = httpx2.post(address, json=body, headers=headers)
    assert answer.status_code in (200, 400), answer.text
    listed = httpx2.get(address, headers=headers)
    assert listed.status_code == 200, listed.text
    if answer.status_code == 200:
        (there,) = listed.json()["data"]
        for method in ("GET", "DELETE"):
            assert httpx2.request(method, f"{address}/{there['id']}", headers=headers).is_success
    else:
        assert listed.json()["data"] == []
        assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "parameters", [nested(300), {"a": "\ud800"}, {"\ud800": "a"}], ids=["deep", "half", "half key"]
)
def test_the_store_keeps_nothing_that_it_could_not_give_back(tmp_path, parameters):
    assistant = Assistant.model_validate(
        {"id": "asst_1", "object": "assistant", "created_at": 1, "model": MODEL, "tools": []}
    )
    with closing(Store(tmp_path / "a.db")) as store:
        store.insert(assistant)
        function = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        changed = Assistant.model_validate({**assistant.model_dump(), "tools": [function]})
        with pytest.raises(Unstorable, match="could not be read again"):
            store.update(changed)
        changed.id = "asst_2"
        with pytest.raises(Unstorable):
            store.insert(changed)
        assert store.page(Assistant).items == [assistant]


def test_a_row_that_cannot_be_read_is_an_error_of_its_own(tmp_path):
    left_behind(tmp_path / "a.db")
    edit(tmp_path / "a.db", "UPDATE objects SET body = '' WHERE id = 'thread_1'")
    with closing(Store(tmp_path / "a.db")) as store:
        with pytest.raises(Unreadable, match="'thread_1'"):
            store.get(Thread, "thread_1")
        store.delete(Thread, "thread_1")
        assert store.worked_on() == []


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)


def test_a_damaged_page_is_a_clear_error_wherever_it_is(tmp_path):
    """At the start it is a `StoreError`, later an answer of its own; never anything else."""
    whole = tmp_path / "whole.db"
    with closing(Store(whole)) as store:
        for number in range(100):
            thread = Thread(
                id=f"thread_{number}", object="thread", created_at=1, metadata={"a": "x" * 500}
            )
            store.insert(thread)
    content, troubles = whole.read_bytes(), {"start": [], "later": []}
    for page in range(2, len(content) // 4096 + 1):
        path = tmp_path / "damaged.db"
        path.write_bytes(content)
        damage(path, page)
        try:
            store = Store(path)
        except StoreError as error:
            troubles["start"].append(str(error))
            continue
        try:
            for number in range(100):
                store.get(Thread, f"thread_{number}")
            store.page(Thread, limit=100)
        except StoreError as error:
            troubles["later"].append(str(error))
        finally:
            store.close()
    assert troubles["start"]
    assert troubles["later"]
    assert all("damaged.db cannot be used" in each for each in troubles["later"])
    assert all("damaged.db" in each for each in troubles["start"])


def test_a_damaged_page_is_an_answer_in_openais_shape(tmp_path):
    path = tmp_path / "a.db"
    with closing(Store(path)) as store:
        for number in range(100):
            thread = Thread(
                id=f"thread_{number}", object="thread", created_at=1, metadata={"a": "x" * 500}
            )
            store.insert(thread)
        query = "SELECT pageno FROM dbstat WHERE name = 'objects' AND pagetype = 'leaf'"
        try:
            (page,) = store._connection.execute(query).fetchone()
        except StoreError:
            page = 6  # a SQLite without dbstat
    damage(path, page)
    with connected(path) as client:
        headers = {"Authorization": f"Bearer {client.api_key}"}
        answers = [
            httpx2.get(f"{client.base_url}threads/thread_{number}", headers=headers)
            for number in range(100)
        ]
    assert {answer.status_code for answer in answers} == {200, 500}
    messages = [each.json()["error"]["message"] for each in answers if each.status_code == 500]
    assert all("sqlite3 a.db .recover" in message for message in messages)


@pytest.mark.parametrize("name", ["data [old]", "a*b", "who?", "[!x]"])
def test_a_folder_named_like_a_pattern_leaves_the_runs_of_a_living_server_alone(tmp_path, name):
    if os.name == "nt" and set(name) & set("*?"):
        pytest.skip("Windows has no such names")
    path = tmp_path / name / f"{name}.db"
    with closing(Store(path)) as first:
        thread = Thread(id="thread_1", object="thread", created_at=1, metadata={})
        first.insert(thread)
        run = Run.model_validate({"id": "run_1", "thread_id": "thread_1", **RUN})
        first.insert(run, parent="thread_1")
        first.claim(run)
        with closing(Store(path)) as second:
            assert second.living_owners() == {first.owner, second.owner}
        with connected(path):
            assert first.get(Run, "run_1").status == "in_progress"
        assert first.living_owners() == {first.owner}


def test_locks_of_another_database_are_left_alone(tmp_path):
    with closing(Store(tmp_path / "a.db.more")) as other, closing(Store(tmp_path / "a.db")) as mine:
        assert mine.living_owners() == {mine.owner}
        assert other.living_owners() == {other.owner}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_files_are_the_owners_only(tmp_path):
    with closing(Store(tmp_path / "new" / "a.db")) as store:
        store.insert(Thread(id="thread_1", object="thread", created_at=1, metadata={}))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
        assert len(modes) == 4, "the database, two files of SQLite's, the lock"
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "a.db"
    waiting = {"id": "run_1", "thread_id": "thread_1", **RUN, "status": "requires_action"}
    rows = [
        ("thread_1", "thread", None, json.dumps({"id": "thread_1"})),
        ("run_1", "run", "thread_1", json.dumps({**waiting, "expires_at": 5})),
        ("run_2", "run", "thread_1", json.dumps({**waiting, "status": "completed"})),
        ("run_3", "run", "thread_1", "not json"),
    ]
    with closing(sqlite3.connect(path)) as file, file:
        file.executescript(database.STEPS[0])
        file.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        file.execute("PRAGMA user_version = 1")
        file.executemany("INSERT INTO objects (id, kind, parent, body) VALUES (?, ?, ?, ?)", rows)
    with closing(Store(path)) as store:
        assert store.due(10) == ["run_1"]
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (database.SCHEMA_VERSION,)
        assert file.execute("SELECT count(*) FROM objects").fetchone() == (4,)
    with connected(path) as client:
        until(
            lambda: (
                client.beta.threads.runs.retrieve("run_1", thread_id="thread_1").status == "expired"
            )
        )


def test_a_long_list_is_read_in_small_pieces(tmp_path):
    """Between them, others get their turn; what is deleted meanwhile does no harm."""

    async def read() -> tuple[list[str], int]:
        with closing(Store(tmp_path / "a.db")) as store:
            with store.transaction():
                for number in range(100):
                    fields = {"object": "thread.message", "created_at": 1, "role": "user"}
                    message = {"id": f"msg_{number}", "thread_id": "t", "content": [], **fields}
                    message |= {"status": "completed", "attachments": []}
                    store.insert(Message.model_validate(message), parent="t")
            turns, done = 0, False

            async def other() -> None:
                nonlocal turns
                while not done:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            ids = []
            async for message in store.newest_first(Message, "t"):
                ids.append(message.id)
                if message.id == "msg_50":
                    store.delete(Message, "msg_20")
            done = True
            await task
            return ids, turns

    ids, turns = asyncio.run(read())
    assert ids == [f"msg_{number}" for number in reversed(range(100)) if number != 20]
    assert turns >= 4
