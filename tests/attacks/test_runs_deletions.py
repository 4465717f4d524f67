"""Whatever is deleted at whatever stage of a run: the run ends, and so does its stream."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from openai import NotFoundError, OpenAI
from openai.types import FileObject

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.code_interpreter.interpreter import Result
from assistants_server.file_search import Library
from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import completed, send_events, upstream

SECONDS = 30
TOOLS = [
    {"type": "code_interpreter"},
    {"type": "file_search"},
    {"type": "function", "function": {"name": "look_up"}},
]
CALLED = {"code": "code_interpreter", "search": "file_search"}
STAGES = ["before", "asked", "speaking", "code", "search", "waiting", "second turn"]
OBJECTS = [
    "assistant",
    "code_file",
    "attached_file",
    "image_file",
    "vector_store",
    "store_file",
    "message",
    "written",
    "thread",
    "run",
]
# What is deleted, and when: the rest of the table makes no sense.
CASES = [
    (what, stage)
    for what in OBJECTS
    for stage in STAGES
    if (what != "written" or stage == "speaking")
    and (stage != "before" or what not in ("assistant", "thread", "run"))
]

# Where the run still needs what is deleted. Everywhere else it goes on without it.
NEEDED = {
    *(("image_file", stage) for stage in ("before", "code", "search", "waiting")),
    ("code_file", "code"),
    ("attached_file", "code"),
    ("written", "speaking"),
}


@dataclass
class Hold:
    """Where a run is held until the test lets it go."""

    stage: str
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def at(self, stage: str) -> None:
        if stage == self.stage:
            self.reached.set()
            assert self.go.wait(SECONDS)

    async def at_once(self, stage: str) -> None:
        await asyncio.to_thread(self.at, stage)

    def answer(self, handler, body: dict) -> None:
        """Speak, or call a tool and then speak."""
        outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
        calls_first = self.stage not in ("before", "asked", "speaking")
        self.at("second turn" if outputs else "asked")
        if calls_first and not outputs:
            send_events(handler, called(CALLED.get(self.stage, "look_up")))
        else:
            send_events(handler, self._spoken())

    def _spoken(self) -> Iterator[dict]:
        yield {"type": "response.output_text.delta", "delta": "x = "}
        self.at("speaking")
        yield from completed("x = 1")


def called(name: str) -> list[dict]:
    arguments = json.dumps({"code": "1", "query": "1"})
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name}
    return completed("", output=[{**item, "arguments": arguments}])[1:]


@dataclass
class Stand:
    """A server with one object of each kind, and a run that is held at its stage.

    Attributes:
        deleted_at: when the last deletion began, by the monotonic clock.
    """

    client: OpenAI
    database: str
    ids: dict[str, str]
    hold: Hold
    deleted_at: float = 0.0

    def stream(self, path: str, body: dict) -> list[tuple[str, dict | str]]:
        """Return name and data of each event, up to the end of the stream."""
        headers = {"Authorization": f"Bearer {self.client.api_key}"}
        address = f"{self.client.base_url}{path}"
        with httpx2.stream(
            "POST", address, json={**body, "stream": True}, headers=headers, timeout=SECONDS
        ) as answer:
            assert answer.status_code == 200, answer.read()
            lines = [line for line in answer.iter_lines() if line]
            pairs = zip(lines[::2], lines[1::2], strict=True)
            return [(n.removeprefix("event: "), d.removeprefix("data: ")) for n, d in pairs]

    def run(self) -> list[tuple[str, str]]:
        path = f"threads/{self.ids['thread']}/runs"
        return self.stream(path, {"assistant_id": self.ids["assistant"]})

    def submit(self) -> list[tuple[str, str]]:
        path = f"threads/{self.ids['thread']}/runs/{self.ids['run']}/submit_tool_outputs"
        return self.stream(path, {"tool_outputs": [{"tool_call_id": "call_1", "output": "5"}]})

    def note_ids(self) -> None:
        """Note the ids of what has been made since."""
        runs = self.client.beta.threads.runs.list(self.ids["thread"]).data
        messages = self.client.beta.threads.messages.list(self.ids["thread"]).data
        self.ids |= {"run": runs[0].id, "written": messages[0].id}

    def delete(self, what: str) -> None:
        self.deleted_at = time.monotonic()
        ids, beta = self.ids, self.client.beta
        if what == "run":  # there is no such request
            with sqlite3.connect(self.database, timeout=SECONDS) as file:
                file.execute("DELETE FROM objects WHERE ? IN (id, parent)", (ids["run"],))
            file.close()
            return
        delete: dict[str, Callable] = {
            "assistant": lambda: beta.assistants.delete(ids["assistant"]),
            "vector_store": lambda: self.client.vector_stores.delete(ids["vector_store"]),
            "message": lambda: beta.threads.messages.delete(
                ids["message"], thread_id=ids["thread"]
            ),
            "written": lambda: beta.threads.messages.delete(
                ids["written"], thread_id=ids["thread"]
            ),
            "thread": lambda: beta.threads.delete(ids["thread"]),
        }
        delete.get(what, lambda: self.client.files.delete(ids[what]))()


def made(client: OpenAI) -> dict[str, str]:
    """Make an assistant and a thread that name one object of each kind; return the ids."""
    kinds = ("code_file", "attached_file", "image_file", "store_file")
    ids = {
        kind: client.files.create(file=(f"{kind}.txt", b"x = 1"), purpose="assistants").id
        for kind in kinds
    }
    ids["vector_store"] = client.vector_stores.create(file_ids=[ids["store_file"]]).id
    ids["assistant"] = client.beta.assistants.create(
        model=MODEL,
        tools=TOOLS,
        tool_resources={
            "code_interpreter": {"file_ids": [ids["code_file"]]},
            "file_search": {"vector_store_ids": [ids["vector_store"]]},
        },
    ).id
    image = {"type": "image_file", "image_file": {"file_id": ids["image_file"]}}
    ids["thread"] = client.beta.threads.create().id
    ids["message"] = client.beta.threads.messages.create(
        ids["thread"],
        role="user",
        content=[{"type": "text", "text": "Solve 2x = 2"}, image],
        attachments=[{"file_id": ids["attached_file"], "tools": [{"type": "code_interpreter"}]}],
    ).id
    return ids


@contextmanager
def standing(folder: Path, stage: str) -> Iterator[Stand]:
    """Start a server on a database in `folder` that holds runs at that stage."""
    hold = Hold(stage)

    async def run_code(self, thread_id, code, files, *args, **kwargs) -> Result:
        await hold.at_once("code")
        for file_id in files:  # as it does before it starts a kernel
            self._store.get(FileObject, file_id)
        return Result("1", [])

    search = Library.search

    async def held_search(self, *args, **kwargs):
        await hold.at_once("search")
        return await search(self, *args, **kwargs)

    database = folder / "assistants.db"
    with pytest.MonkeyPatch.context() as patch, upstream(hold.answer) as model:
        patch.setattr(CodeInterpreter, "run", run_code)
        patch.setattr(Library, "search", held_search)
        with connected(database, upstream=model) as client:
            try:
                yield Stand(client, str(database), made(client), hold)
            finally:
                hold.go.set()


@pytest.fixture
def stand(tmp_path, stage) -> Iterator[Stand]:
    with standing(tmp_path, stage) as stand:
        yield stand


def play(stand: Stand, what: str, pool: ThreadPoolExecutor) -> Future | None:
    """Take the run to its stage and delete the object; return the events of its last stream."""
    stage = stand.hold.stage
    if stage == "before":
        stand.delete(what)
        return pool.submit(stand.run)
    running = pool.submit(stand.run)
    if stage in ("waiting", "second turn"):
        names = [name for name, _ in running.result(SECONDS)]
        assert names[-2:] == ["thread.run.requires_action", "done"]
        stand.note_ids()
        if stage == "waiting":
            stand.delete(what)
            if what in ("thread", "run"):
                with pytest.raises(NotFoundError):
                    stand.client.beta.threads.runs.submit_tool_outputs(
                        stand.ids["run"], thread_id=stand.ids["thread"], tool_outputs=[]
                    )
                return None
            return pool.submit(stand.submit)
        running = pool.submit(stand.submit)
    assert stand.hold.reached.wait(SECONDS)
    stand.note_ids()
    stand.delete(what)
    if what not in ("thread", "run"):  # these end it even while the model is silent
        stand.hold.go.set()
    return running


@pytest.mark.parametrize(("what", "stage"), CASES, ids=[f"{w}-{s}" for w, s in CASES])
def test_the_run_and_its_stream_end(stand: Stand, what, stage):
    with ThreadPoolExecutor() as pool:
        try:
            stream = play(stand, what, pool)
            events = stream.result(SECONDS) if stream else None
        finally:
            stand.hold.go.set()
    if what in ("thread", "run"):
        if events is not None:
            assert [name for name, _ in events[-2:]] == ["error", "done"]
            error = json.loads(events[-2][1])["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert "deleted" in error["message"]
        return
    (last, data), (done, _) = events[-2:]
    run = json.loads(data)
    assert done == "done"
    assert last == f"thread.run.{run['status']}"
    assert run["status"] == ("failed" if (what, stage) in NEEDED else "completed")
    beta, thread_id = stand.client.beta, stand.ids["thread"]
    assert beta.threads.runs.retrieve(run["id"], thread_id=thread_id).status == run["status"]
    steps = beta.threads.runs.steps.list(run["id"], thread_id=thread_id).data
    assert "in_progress" not in [step.status for step in steps]
    messages = beta.threads.messages.list(thread_id).data
    assert "in_progress" not in [message.status for message in messages]
    if run["status"] == "failed":  # the message names what is missing, and says what to do
        assert stand.ids[what] in run["last_error"]["message"]
        assert "create the run again" in run["last_error"]["message"]
    beta.threads.messages.create(thread_id, role="user", content="The thread is free again")
