"""Another process that holds the lock on writing, and a disk that is full, hold up nobody."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from openai import InternalServerError, OpenAI

from assistants_server import server as server_module
from assistants_server.api import context
from assistants_server.store import Busy, Store, Unwritable
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import completed, send_events, upstream

SECONDS = 30


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on writing, as another process does."""
    with closing(sqlite3.connect(path, timeout=SECONDS, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(store: Store) -> Iterator[None]:
    """Let the file not grow, as on a disk that is full."""
    connection = store._connection._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute("PRAGMA max_page_count = 1000000")


def fill(store: Store) -> None:
    """Use up the room that is left in the file's last pages."""
    statement = "INSERT INTO objects (id, kind, body) VALUES (?, 'padding', ?)"
    rows = ((f"padding_{number}", "x" * 500) for number in range(10_000))
    insert = store._connection._connection.execute
    with pytest.raises(sqlite3.OperationalError, match="full"):
        all(insert(statement, row) for row in rows)


class Held:
    """A model that speaks when the test lets it."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def answer(self, handler, body: dict) -> None:
        self.asked.set()
        assert self.go.wait(SECONDS)
        send_events(handler, completed("x = 1"))


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def opened(monkeypatch) -> list[Store]:
    """The stores that servers have opened."""
    stores: list[Store] = []

    class Noted(Store):
        def __init__(self, path) -> None:
            super().__init__(path)
            stores.append(self)

    monkeypatch.setattr(server_module, "Store", Noted)
    return stores


@pytest.fixture
def client(tmp_path, held, opened) -> Iterator[OpenAI]:
    with (
        upstream(held.answer) as model,
        connected(tmp_path / "assistants.db", upstream=model) as client,
    ):
        yield client
        held.go.set()


def health(client: OpenAI) -> int:
    return httpx2.get(str(client.base_url).removesuffix("/v1/") + "/health").status_code


def start_run(client: OpenAI):
    assistant = client.beta.assistants.create(model=MODEL)
    return client.beta.threads.create_and_run(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "2x = 2"}]}
    )


def ended(client: OpenAI, run):
    """Return the run once it has ended."""

    def look():
        now = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        return now if now.status not in ("queued", "in_progress", "cancelling") else None

    return until(look)


def test_a_request_waits_for_the_lock_while_others_are_answered(client, opened):
    with ThreadPoolExecutor() as pool:
        with locked(opened[0].path):
            waiting = pool.submit(client.beta.threads.create)
            answers = [health(client) for _ in range(20)]
            assert client.beta.assistants.list().data == []
            assert not waiting.done()
        created = waiting.result(SECONDS)
    assert answers == [200] * 20
    assert client.beta.threads.retrieve(created.id).id == created.id


def test_a_lock_that_stays_is_a_503_that_says_what_to_do(client, opened, monkeypatch):
    monkeypatch.setattr(context, "SECONDS_TO_WAIT", 0)
    with locked(opened[0].path), pytest.raises(InternalServerError) as error:
        client.beta.threads.create()
    assert error.value.status_code == 503
    assert error.value.response.headers["retry-after"] == "1"
    assert "end that process" in error.value.body["message"]
    client.beta.threads.create()


def test_a_run_waits_for_the_lock_and_goes_on(client, held, opened):
    run = start_run(client)
    assert held.asked.wait(SECONDS)
    with locked(opened[0].path):
        held.go.set()
        for _ in range(20):
            assert health(client) == 200
            still = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            assert still.status == "in_progress"
    assert ended(client, run).status == "completed"


def test_the_event_loop_never_waits_for_the_lock_longer_than_its_bound(tmp_path, monkeypatch):
    slept = []
    store = Store(tmp_path / "assistants.db")
    monkeypatch.setattr("assistants_server.store.connection.time.sleep", slept.append)
    monkeypatch.setattr("assistants_server.store.connection.LONGEST_BLOCK", 0.03)
    with locked(store.path), pytest.raises(Busy), store.transaction(seconds=0):
        pass
    assert slept == []
    store.close()


def test_a_full_disk_is_an_error_that_says_what_to_do_and_nothing_is_half_done(client, opened):
    thread = client.beta.threads.create()
    with full(opened[0]):
        fill(opened[0])
        with pytest.raises(InternalServerError) as error:
            client.beta.threads.messages.create(thread.id, role="user", content="x" * 10_000)
        assert error.value.status_code == 503
        assert "Make room" in error.value.body["message"]
        assert client.beta.threads.messages.list(thread.id).data == []
    client.beta.threads.messages.create(thread.id, role="user", content="x" * 10_000)


def test_a_run_ends_once_there_is_room_again(client, held, opened):
    run = start_run(client)
    assert held.asked.wait(SECONDS)
    with full(opened[0]):
        fill(opened[0])
        # Nothing can be written now, not even a change that needs no room.
        opened[0]._connection._connection.execute("PRAGMA query_only = ON")
        held.go.set()
        for _ in range(20):
            assert health(client) == 200
            still = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
            assert still.status == "in_progress"
        opened[0]._connection._connection.execute("PRAGMA query_only = OFF")
    after = ended(client, run)
    assert after.status in ("completed", "failed")
    client.beta.threads.messages.create(run.thread_id, role="user", content="free again")


def test_a_commit_that_fails_is_rolled_back(tmp_path, monkeypatch):
    with closing(Store(tmp_path / "assistants.db")) as store:
        real = store._connection._connection

        class Failing:
            in_transaction = property(lambda self: real.in_transaction)

            def execute(self, statement, values=()):
                if statement == "COMMIT":
                    error = sqlite3.OperationalError("database or disk is full")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise error
                return real.execute(statement, values)

            close = real.close

        monkeypatch.setattr(store._connection, "_connection", Failing())
        with pytest.raises(Unwritable), store.transaction():
            pass
        assert not real.in_transaction
        monkeypatch.setattr(store._connection, "_connection", real)
        with locked(store.path):  # nobody holds the lock any more
            pass
