"""Answers have the keys, and by default the values, that the hosted API's had."""

import json
import re
import sqlite3
from contextlib import closing
from itertools import groupby
from unittest.mock import ANY

import httpx2
import pytest
from openai import OpenAI

from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.recordings import (
    assistant,
    error,
    file,
    headers,
    message,
    run,
    run_step,
    stream,
    thread,
    vector_store,
    vector_store_file,
)
from tests.serving import connected
from tests.test_function_tools import ONE_QUIZ
from tests.test_vector_stores import GROUPS, add
from tests.upstream import send_json, upstream

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}
QUIZ = {"type": "function", "function": {"name": "display_quiz", "parameters": {"type": "object"}}}
CODE, SEARCH = [{"type": "code_interpreter"}], [{"type": "file_search"}]
TOO_LONG = "Count from 1 to 500"


class Api:
    """The server, without the SDK in between: it shows what is missing as None."""

    def __init__(self, client: OpenAI) -> None:
        self.http = httpx2.Client(
            base_url=str(client.base_url),
            headers={"Authorization": f"Bearer {client.api_key}"},
            timeout=60,
        )

    def get(self, path: str) -> dict:
        return self.http.get(path).json()

    def post(self, path: str, **body: object) -> dict:
        return self.http.post(path, json=body).json()

    def ask(self, question: str, settings: dict | None = None, **assistant: object) -> dict:
        """Return a new run of a new assistant on a new thread."""
        made = self.post("assistants", model=MODEL, **assistant)
        messages = [{"role": "user", "content": question}]
        thread_id = self.post("threads", messages=messages)["id"]
        return self.post(f"threads/{thread_id}/runs", assistant_id=made["id"], **(settings or {}))

    def path(self, run: dict) -> str:
        return f"threads/{run['thread_id']}/runs/{run['id']}"

    def end(self, run: dict) -> dict:
        """Return a run when it has ended, or waits."""

        def ended() -> dict | None:
            now = self.get(self.path(run))
            return now if now["status"] not in ("queued", "in_progress", "cancelling") else None

        return until(ended)

    def steps(self, run: dict) -> list[dict]:
        return self.get(f"{self.path(run)}/steps?order=asc")["data"]


@pytest.fixture
def api(client: OpenAI) -> Api:
    return Api(client)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([], assistant.PLAIN),
        (CODE, assistant.WITH_CODE_INTERPRETER),
        (SEARCH, assistant.WITH_FILE_SEARCH),
        ([{"type": "function", "function": FUNCTION}], assistant.WITH_FUNCTION),
    ],
    ids=["plain", "code interpreter", "file search", "function"],
)
def test_assistants(api, tools, expected):
    made = api.post("assistants", model=MODEL, tools=tools)
    assert made == expected
    assert api.get(f"assistants/{made['id']}") == made
    assert api.get("assistants?limit=1")["data"] == [made]


def test_threads(api):
    made = api.post("threads")
    assert made == thread.PLAIN == api.get(f"threads/{made['id']}")


def test_messages(api):
    ended = api.end(api.ask("Solve 2x = 8"))
    messages = f"threads/{ended['thread_id']}/messages"
    of_user, of_assistant = api.get(f"{messages}?order=asc")["data"]
    assert of_user == message.OF_USER
    assert of_assistant == message.OF_ASSISTANT
    assert api.get(f"{messages}/{of_assistant['id']}") == of_assistant
    assert api.post(messages, role="user", content="x") == message.OF_USER
    changed = api.post(f"{messages}/{of_user['id']}", metadata={"a": "b"})
    assert changed == message.OF_USER | {"metadata": {"a": "b"}}


def test_a_message_with_a_figure(api):
    ended = api.end(api.ask("Plot sin(x)", tools=CODE))
    newest = api.get(f"threads/{ended['thread_id']}/messages?limit=1")["data"][0]
    assert newest == message.WITH_FIGURE


def test_a_run_from_queued_to_completed(api):
    queued = api.ask("Solve 2x = 8")
    assert queued == run.QUEUED
    ended = api.end(queued)
    assert ended == run.COMPLETED
    (step,) = api.steps(ended)
    assert step == run_step.COMPLETED | {"step_details": run_step.MESSAGE}


def test_a_cancelled_run(api):
    made = api.ask("Count slowly to 100")
    until(lambda: api.steps(made))
    assert api.get(api.path(made)) == run.STARTED | {"status": "in_progress"}
    assert api.steps(made) == [run_step.IN_PROGRESS | {"step_details": run_step.MESSAGE}]
    assert api.post(f"{api.path(made)}/cancel") == run.CANCELLING
    assert api.end(made)["expires_at"] is None


def test_a_run_that_waits_for_its_client(api):
    waiting = api.end(api.ask(ONE_QUIZ, tools=[QUIZ]))
    assert waiting == run.REQUIRES_ACTION
    (step,) = api.steps(waiting)
    assert step == run_step.IN_PROGRESS | {"step_details": run_step.FUNCTION, "usage": ANY}


def test_an_incomplete_run(api):
    ended = api.end(api.ask(TOO_LONG, {"max_completion_tokens": 256}))
    assert ended == run.INCOMPLETE


def test_a_failed_run(tmp_path):
    def refuse(handler, _):
        send_json(handler, 400, {"error": {"message": "no"}})

    with upstream(refuse) as address, connected(tmp_path / "a.db", upstream=address) as client:
        api = Api(client)
        assert api.end(api.ask("x")) == run.FAILED


def test_steps_of_the_code_interpreter(api):
    called, said = api.steps(api.end(api.ask("The first 4 primes, with code", tools=CODE)))
    assert called == run_step.COMPLETED | {"step_details": run_step.CODE}
    assert said == run_step.COMPLETED | {"step_details": run_step.MESSAGE}


def test_steps_of_file_search(api, client):
    store = client.vector_stores.create()
    add(client, store, "groups.md", GROUPS)
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    question = "What do the documents say about groups?"
    ended = api.end(api.ask(question, tools=SEARCH, tool_resources=resources))
    assert api.steps(ended)[0] == run_step.COMPLETED | {"step_details": run_step.FILE_SEARCH}


def test_files_and_vector_stores(api, client):
    uploaded = api.get(f"files/{client.files.create(file=b'x', purpose='assistants').id}")
    assert uploaded == file.UPLOADED
    store = api.post("vector_stores")
    assert store == vector_store.EMPTY
    assert api.get("vector_stores?limit=1")["data"] == [store]
    of_store = f"vector_stores/{store['id']}"
    assert api.post(f"{of_store}/files", file_id=uploaded["id"]) == vector_store_file.ADDED
    batch = api.post(f"{of_store}/file_batches", file_ids=[uploaded["id"]])
    assert batch == vector_store.BATCH | {"status": batch["status"]}


def test_errors(api):
    wrong = api.http.post("threads", json={"metadata": {"a": True}})
    assert (wrong.status_code, wrong.json()) == (400, error.WRONG_TYPE)
    gone = api.http.get("assistants/asst_abc123")
    assert (gone.status_code, gone.json()) == (404, error.NOT_FOUND)


def test_a_stream(api):
    made = api.post("assistants", model=MODEL, tools=CODE)
    question = {"role": "user", "content": "The first 4 primes, with code"}
    body = {"assistant_id": made["id"], "thread": {"messages": [question]}, "stream": True}
    lines = [line for line in api.http.post("threads/runs", json=body).text.splitlines() if line]
    names = [line.removeprefix("event: ") for line in lines[::2]]
    assert [name for name, _ in groupby(names)] == ["thread.created", *stream.WITH_CODE]
    data = [json.loads(line.removeprefix("data: ")) for line in lines[1:-1:2]]
    events = list(zip(names, data, strict=False))
    of = {name: [each for n, each in events if n == name] for name in names}
    assert of["thread.created"] == [thread.PLAIN]
    assert of["thread.run.queued"] == [run.QUEUED | {"tools": CODE}]
    assert of["thread.run.completed"] == [run.COMPLETED | {"tools": CODE}]
    assert of["thread.message.created"] == [message.STREAMED_AT_FIRST]
    assert of["thread.message.completed"] == [message.STREAMED]
    assert of["thread.run.step.created"][1] == run_step.IN_PROGRESS
    assert of["thread.run.step.completed"][0] == run_step.COMPLETED
    first, *others = [each["delta"] for each in of["thread.message.delta"]]
    assert first == message.BEGUN
    assert others == [message.GOES_ON] * len(others) != []
    deltas = [each["delta"]["step_details"]["tool_calls"] for each in of["thread.run.step.delta"]]
    assert deltas[0] == [run_step.CODE_BEGUN]
    assert deltas[1] == [run_step.CODE_GOES_ON]


OLD_ROWS = {
    "asst_1": {
        "object": "assistant",
        "created_at": 1,
        "model": MODEL,
        "metadata": None,
        "response_format": None,
        "temperature": None,
        "tool_resources": None,
        "tools": [
            {"type": "code_interpreter"},
            {"type": "file_search", "file_search": None},
            {"type": "function", "function": FUNCTION | {"strict": None}},
        ],
    },
    "thread_1": {"object": "thread", "created_at": 1, "metadata": {}, "tool_resources": None},
    "run_1": {
        "object": "thread.run",
        **dict.fromkeys(("created_at", "started_at", "completed_at", "expires_at"), 1),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "truncation_strategy": {"type": "auto"},
        "response_format": "auto",
        "metadata": {},
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "model": MODEL,
        "instructions": "",
        "status": "completed",
        "tools": [{"type": "file_search", "file_search": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    },
    "step_1": {
        "object": "thread.run.step",
        "created_at": 1,
        "completed_at": 2,
        "status": "completed",
        "assistant_id": "asst_1",
        "thread_id": "thread_1",
        "run_id": "run_1",
        "type": "message_creation",
        "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_1"}},
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        "expired_at": None,
        "metadata": {},
    },
}


def test_rows_of_before_these_values(fresh_client, tmp_path):
    kinds = {"asst_1": "assistant", "thread_1": "thread", "run_1": "run", "step_1": "run step"}
    parents = {"run_1": "thread_1", "step_1": "run_1"}
    rows = [
        (id, kinds[id], parents.get(id), json.dumps({"id": id, **row}))
        for id, row in OLD_ROWS.items()
    ]
    database = sqlite3.connect(tmp_path / "assistants.db", timeout=30)
    with closing(database), database:
        insert = "INSERT INTO objects (id, kind, parent, body) VALUES (?, ?, ?, ?)"
        database.executemany(insert, rows)
    api = Api(fresh_client)
    tools = [
        each["tools"][0]
        for each in (
            assistant.WITH_CODE_INTERPRETER,
            assistant.WITH_FILE_SEARCH,
            assistant.WITH_FUNCTION,
        )
    ]
    assert api.get("assistants/asst_1") == assistant.PLAIN | {
        "tools": tools,
        "tool_resources": {
            "code_interpreter": {"file_ids": []},
            "file_search": {"vector_store_ids": []},
        },
    }
    assert api.get("threads/thread_1") == thread.PLAIN
    old_run = api.get("threads/thread_1/runs/run_1")
    assert old_run == run.COMPLETED | {"tools": tools[1:2], "expires_at": 1}
    assert api.steps(old_run) == [run_step.COMPLETED]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "assistants", 200), ("GET", "assistants/no", 404), ("POST", "assistants", 400)],
)
def test_headers(api, method, path, status):
    answer = api.http.request(method, path)
    assert answer.status_code == status
    for name, pattern in headers.PATTERNS.items():
        assert re.fullmatch(pattern, answer.headers[name]), name


def test_the_sdk_knows_the_id_of_a_request(client):
    first, second = client.beta.threads.create(), client.beta.threads.create()
    assert first._request_id != second._request_id
    assert first._request_id.startswith("req_")
