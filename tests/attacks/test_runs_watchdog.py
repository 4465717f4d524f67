"""Runs that nobody would end: expired, orphaned, dropped, cancelled while nobody listens."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from openai import APIError, BadRequestError, OpenAI

from assistants_server.api import runs as runs_api
from assistants_server.engine import execution
from assistants_server.engine.feed import Feed
from assistants_server.engine.watchdog import Watchdog
from assistants_server.file_search import Library
from assistants_server.store import Store, new_id
from assistants_server.wire import Run
from tests.attacks.waiting import until
from tests.conftest import MODEL, ROOT
from tests.serving import connected, serving
from tests.upstream import completed, send_events, upstream

SECONDS = 30
FUNCTION = {"type": "function", "function": {"name": "look_up"}}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up"}


class Model:
    """A model that calls a function first if it has one, and speaks when the test lets it."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def answer(self, handler, body: dict) -> None:
        outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
        if body.get("tools") and not outputs:
            send_events(handler, completed("", output=[{**CALL, "arguments": "{}"}])[1:])
            return
        self.asked.set()
        assert self.go.wait(SECONDS)
        send_events(handler, completed("x = 1"))


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "assistants.db"


@pytest.fixture
def client(database, model) -> Iterator[OpenAI]:
    with upstream(model.answer) as address, connected(database, upstream=address) as client:
        yield client
        model.go.set()


def start(client: OpenAI, tools: list | None = None) -> Run:
    assistant = client.beta.assistants.create(model=MODEL, tools=tools or [])
    return client.beta.threads.create_and_run(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "2x = 2"}]}
    )


def waiting(client: OpenAI) -> Run:
    """Return a run that waits for its client."""
    run = start(client, [FUNCTION])
    return until(lambda: (now := retrieve(client, run)).status == "requires_action" and now)


def retrieve(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)


def stored(database, run: Run) -> dict:
    """Return a run as it lies in the file, without asking a server for it."""
    with closing(sqlite3.connect(database)) as file:
        (body,) = file.execute("SELECT body FROM objects WHERE id = ?", (run.id,)).fetchone()
    return json.loads(body)


def edit(database, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database, timeout=SECONDS)) as file, file:
        file.execute(statement, values)


def make_due(database, run: Run) -> None:
    """As if ten minutes had gone by."""
    past = int(time.time()) - 5
    body = "json_set(body, '$.expires_at', ?)"
    edit(database, f"UPDATE objects SET body = {body}, due = ? WHERE id = ?", past, past, run.id)


def test_a_run_that_waits_expires_though_nobody_looks(client, database):
    run = waiting(client)
    make_due(database, run)
    until(lambda: stored(database, run)["status"] == "expired")


def test_a_run_expires_whoever_executes_it(client, database, model):
    run = start(client)
    assert model.asked.wait(SECONDS)
    make_due(database, run)
    until(lambda: stored(database, run)["status"] == "expired")
    model.go.set()
    client.beta.threads.messages.create(run.thread_id, role="user", content="free again")
    assert retrieve(client, run).status == "expired"


@pytest.mark.parametrize(
    ("before", "after"),
    [("queued", "failed"), ("in_progress", "failed"), ("cancelling", "cancelled")],
)
def test_a_living_server_ends_what_a_dead_one_left(client, database, before, after):
    run = waiting(client)
    status = "body = json_set(body, '$.status', ?)"
    dead = new_id("server_")
    edit(database, f"UPDATE objects SET {status}, owner = ? WHERE id = ?", before, dead, run.id)
    until(lambda: stored(database, run)["status"] == after)
    client.beta.threads.messages.create(run.thread_id, role="user", content="free again")


def test_a_server_is_killed_beside_another(tmp_path):
    """Its runs end while the other lives on, the cancelled one as cancelled."""
    database = tmp_path / "assistants.db"
    with (
        serving(database) as server,
        subprocess.Popen(
            [sys.executable, "-m", "assistants_server", "--port", "0", "--db", str(database)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ) as other,
        OpenAI(base_url=server.base_url, api_key=server.token, max_retries=0) as client,
    ):
        names = {}
        while len(names) < 2:
            line = other.stdout.readline()
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                names[name] = value
        theirs = OpenAI(base_url=names["OPENAI_BASE_URL"], api_key=names["OPENAI_API_KEY"])
        assistant = theirs.beta.assistants.create(model=MODEL)
        count = {"messages": [{"role": "user", "content": "Count slowly to 1000"}]}
        first, second = (
            theirs.beta.threads.create_and_run(assistant_id=assistant.id, thread=count)
            for _ in range(2)
        )
        for run in (first, second):
            until(lambda run=run: retrieve(client, run).status == "in_progress")
        other.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        other.wait(SECONDS)
        client.beta.threads.runs.cancel(second.id, thread_id=second.thread_id)
        assert until(lambda: ends(client, first)).status == "failed"
        assert until(lambda: ends(client, second)).status == "cancelled"


def ends(client: OpenAI, run: Run) -> Run | None:
    now = retrieve(client, run)
    return None if now.status in ("queued", "in_progress", "cancelling") else now


def test_a_run_of_ours_that_nobody_executes_is_ended(client, database, monkeypatch):
    """For example because its task died of something that nobody has thought of."""

    async def dies(self) -> None:
        raise MemoryError

    monkeypatch.setattr(execution.Execution, "_execute", dies)
    assistant = client.beta.assistants.create(model=MODEL)
    thread = client.beta.threads.create()
    events = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id, stream=True)
    names: list[str] = []
    with pytest.raises(APIError, match="stopped working"):
        names.extend(event.event for event in events)
    assert names == ["thread.run.created", "thread.run.queued"]
    (run,) = client.beta.threads.runs.list(thread.id).data
    assert until(lambda: ends(client, run)).status == "failed"


def test_a_run_whose_files_are_being_attached_is_left_alone(client, monkeypatch):
    file = client.files.create(file=("a.txt", b"x = 1"), purpose="assistants")
    attached = {"file_id": file.id, "tools": [{"type": "file_search"}]}
    message = {"role": "user", "content": "x?", "attachments": [attached]}
    thread, assistant = client.beta.threads.create(), client.beta.assistants.create(model=MODEL)
    attach, begun, looks = runs_api.tool_resources.attach, threading.Event(), 0
    look = Watchdog._look

    async def counted(self) -> None:
        nonlocal looks
        await look(self)
        looks += begun.is_set()

    async def slow(*args) -> None:
        begun.set()
        while looks < 2:
            await asyncio.sleep(0.01)
        await attach(*args)

    monkeypatch.setattr(Watchdog, "_look", counted)
    monkeypatch.setattr(runs_api.tool_resources, "attach", slow)
    run = client.beta.threads.runs.create(
        thread.id, assistant_id=assistant.id, additional_messages=[message]
    )
    until(lambda: retrieve(client, run).status == "in_progress")


def test_one_part_that_fails_keeps_no_other_from_its_work(database, monkeypatch, caplog):
    async def watch() -> tuple[int, str]:
        calls = 0

        async def broken(alive: set[str]) -> None:
            nonlocal calls
            calls += 1
            raise RuntimeError("no sweeping today")

        with closing(Store(database)) as store:
            monkeypatch.setattr(store, "worked_on", lambda: 1 / 0)
            run = Run.model_validate(
                {"id": "run_1", "object": "thread.run", "status": "requires_action"}
                | {"created_at": 1, "expires_at": 5, "thread_id": "t", "assistant_id": "a"}
                | {"model": MODEL, "instructions": "", "tools": [], "parallel_tool_calls": True}
            )
            dog = Watchdog(store, Feed(), set, lambda run_id: None, [broken, broken])
            await dog.start()
            with store.transaction():
                store.insert(run, parent="t")
                store.release(run)
            for _ in range(3000):
                if store.get(Run, "run_1").status == "expired" and calls >= 4:
                    break
                await asyncio.sleep(0.01)
            await dog.stop()
            return calls, store.get(Run, "run_1").status

    calls, status = asyncio.run(watch())
    assert status == "expired"
    assert calls >= 4, "each sweep again and again"
    failures = [each for each in caplog.records if each.exc_info]
    assert len(failures) <= 4, "the same failure is not logged again and again"


def test_what_others_left_is_offered_with_the_names_of_the_living(database, monkeypatch):
    offered: list[set[str]] = []

    async def adopt(self: Library, alive: set[str]) -> None:
        offered.append(alive)

    monkeypatch.setattr(Library, "adopt", adopt)
    with closing(Store(database)) as other, serving(database):
        until(lambda: offered)
        assert other.owner in offered[0]
        assert len(offered[0]) == 2
        other.close()
        until(lambda: other.owner not in offered[-1])


def test_a_lock_on_the_file_makes_no_living_server_look_dead(database, monkeypatch):
    """Who lives cannot be counted then, so nobody is taken for dead."""
    with closing(Store(database)) as first:
        run = {"id": "run_1", "object": "thread.run", "status": "in_progress", "created_at": 1}
        run |= {"expires_at": 2**40, "thread_id": "t", "assistant_id": "a", "model": MODEL}
        run |= {"instructions": "", "tools": [], "parallel_tool_calls": True}
        working = Run.model_validate(run)
        first.insert(working, parent="t")
        first.claim(working)
        monkeypatch.setattr("assistants_server.engine.watchdog.SECONDS_TO_WAIT", 0)

        async def look() -> None:
            with closing(Store(database)) as second:
                dog = Watchdog(second, Feed(), set, lambda run_id: None, [])
                with first.transaction():
                    await dog.start()
                await dog.stop()

        asyncio.run(look())
        assert first.get(Run, "run_1").status == "in_progress"


def test_cancelling_before_the_run_has_begun(client, monkeypatch):
    """The run is cancelled in the same moment in which it is created."""
    begin = runs_api._start

    def cancelled_at_once(engine, run, *args):
        answer = begin(engine, run, *args)
        with engine._store.change(Run, run.id) as queued:
            assert queued.status == "queued"
            queued.status = "cancelling"
        engine.interrupt(run.id)
        return answer

    monkeypatch.setattr(runs_api, "_start", cancelled_at_once)
    run = start(client)
    assert until(lambda: ends(client, run)).status == "cancelled"


def test_cancelling_twice(client, model):
    run = start(client)
    assert model.asked.wait(SECONDS)
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    with pytest.raises(BadRequestError, match="Cannot cancel run with status 'cancell"):
        client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    assert until(lambda: ends(client, run)).status == "cancelled"


def test_cancelling_while_the_server_is_stopped(database, model):
    """The next server finds the run at an end."""
    with upstream(model.answer) as address:
        with connected(database, upstream=address) as client:
            run = start(client)
            assert model.asked.wait(SECONDS)
            client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        model.go.set()
    assert stored(database, run)["status"] in ("cancelled", "failed")
