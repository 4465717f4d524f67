"""Requests that take effect as a whole or not at all, and prompts that are made without delay."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI
from openai.types.beta.threads import Message

from assistants_server import tokens
from assistants_server.api import messages
from assistants_server.engine import items, prompt
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store
from assistants_server.tools import Context, Toolbox
from assistants_server.wire import Run
from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.serving import connected
from tests.upstream import completed, send_events, upstream

FUNCTION = {"type": "function", "function": {"name": "look_up"}}
NO_TOOLS = Toolbox(Context(None, None, None, "thread_1", list), [])


@pytest.fixture
def server(fresh_server):
    """A server for each test: they look at all that it keeps."""
    return fresh_server


@pytest.fixture
def rows(tmp_path):
    """Return a function that counts what lies in the file, kind by kind."""

    def rows() -> dict[str, int]:
        with closing(sqlite3.connect(tmp_path / "assistants.db")) as file:
            query = "SELECT kind, count(*) FROM objects GROUP BY kind"
            return dict(file.execute(query).fetchall())

    return rows


@pytest.fixture
def attached(client: OpenAI) -> dict:
    file = client.files.create(file=("a.txt", b"x = 1"), purpose="assistants")
    tools = [{"type": "file_search"}]
    return {"role": "user", "content": "x?", "attachments": [{"file_id": file.id, "tools": tools}]}


@pytest.mark.parametrize("what", ["thread", "thread and run", "message", "run"])
def test_a_store_that_is_deleted_while_files_are_attached(
    client, assistant, thread, attached, rows, what, monkeypatch
):
    """It vanishes at the second file; the first is not left behind either."""
    second = client.files.create(file=("b.txt", b"x = 2"), purpose="assistants")
    attached["attachments"].append({**attached["attachments"][0], "file_id": second.id})
    resources = client.beta.threads.retrieve(thread.id).tool_resources
    add, before = Library.add, rows()

    async def add_one(self, store_id, file_id, *args, **kwargs):
        if file_id == second.id:
            raise NotFound("vector store", store_id)
        return await add(self, store_id, file_id, *args, **kwargs)

    monkeypatch.setattr(Library, "add", add_one)
    beta, given = client.beta, [attached]
    make = {
        "thread": lambda: beta.threads.create(messages=given),
        "thread and run": lambda: beta.threads.create_and_run(
            assistant_id=assistant.id, thread={"messages": given}
        ),
        "message": lambda: beta.threads.messages.create(thread.id, **attached),
        "run": lambda: beta.threads.runs.create(
            thread.id, assistant_id=assistant.id, additional_messages=given
        ),
    }
    with pytest.raises(NotFoundError):
        make[what]()
    assert rows() == before
    assert client.beta.threads.retrieve(thread.id).tool_resources == resources


def test_a_thread_whose_message_names_no_file_leaves_no_vector_store(client, rows):
    wanted = {"file_search": {"vector_stores": [{}]}}
    bad = {"role": "user", "content": "x", "attachments": [{"file_id": "file-no", "tools": []}]}
    with pytest.raises(NotFoundError):
        client.beta.threads.create(tool_resources=wanted, messages=[bad])
    assert rows() == {}


@pytest.mark.parametrize(
    ("content", "attachments", "param"),
    [
        ([{"type": "text", "text": "x"}] * 501, [], "content"),
        ("x", [{"file_id": "file-x", "tools": []}] * 501, "attachments"),
    ],
    ids=["parts", "attachments"],
)
def test_more_parts_than_a_message_takes(client, thread, content, attachments, param):
    with pytest.raises(BadRequestError) as error:
        client.beta.threads.messages.create(
            thread.id, role="user", content=content, attachments=attachments
        )
    assert error.value.param == param


def test_more_messages_than_a_request_takes(client):
    message = {"role": "user", "content": "x"}
    with pytest.raises(BadRequestError) as error:
        client.beta.threads.create(messages=[message] * 10_001)
    assert error.value.param == "messages"


def test_others_get_their_turn_while_many_messages_are_made(tmp_path):
    async def make() -> tuple[int, int]:
        with closing(Store(tmp_path / "many.db")) as store:
            body = messages.CreateMessage(role="user", content="x")
            making = asyncio.create_task(messages.prepare(store, "thread_1", [body] * 1000))
            turns = 0
            while not making.done():
                turns += 1
                await asyncio.sleep(0)
            return turns, len(making.result())

    turns, made = asyncio.run(make())
    assert made == 1000
    assert turns >= 50


def test_files_that_were_there_before_stay(client, attached, monkeypatch, rows):
    store = client.vector_stores.create(file_ids=[attached["attachments"][0]["file_id"]])
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    thread = client.beta.threads.create(tool_resources=resources)

    async def fails(self, store_id, *args, **kwargs):
        raise NotFound("vector store", store_id)

    monkeypatch.setattr(Library, "add", fails)
    with pytest.raises(NotFoundError):
        client.beta.threads.messages.create(thread.id, **attached)
    assert len(client.vector_stores.files.list(store.id).data) == 1


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function"},
        {"type": "function", "function": {"name": "other"}},
        {"type": "file_search"},
        {"type": "code_interpreter"},
    ],
    ids=["no name", "another function", "file_search", "code_interpreter"],
)
def test_a_tool_that_cannot_be_chosen_is_refused(client, thread, rows, choice):
    assistant = client.beta.assistants.create(model=MODEL, tools=[FUNCTION])
    before = rows()
    for make in (
        lambda: client.beta.threads.runs.create(
            thread.id, assistant_id=assistant.id, tool_choice=choice
        ),
        lambda: client.beta.threads.create_and_run(assistant_id=assistant.id, tool_choice=choice),
    ):
        with pytest.raises(BadRequestError) as error:
            make()
        assert error.value.param.startswith("tool_choice")
    assert rows() == before


def test_a_tool_that_can_be_chosen_is_not_refused(client, thread):
    assistant = client.beta.assistants.create(model=MODEL, tools=[FUNCTION])
    choice = {"type": "function", "function": {"name": "look_up"}}
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id, tool_choice=choice)
    assert run.tool_choice.function.name == "look_up"


@pytest.fixture
def long_thread(tmp_path) -> Iterator[tuple[Store, Run]]:
    with closing(Store(tmp_path / "long.db")) as store:
        with store.transaction():
            for number in range(5000):
                content = [
                    {"type": "text", "text": {"value": f"number {number}", "annotations": []}}
                ]
                fields = {"object": "thread.message", "created_at": 1, "role": "user"}
                fields |= {"status": "completed", "attachments": [], "content": content}
                message = {"id": f"msg_{number}", "thread_id": "thread_1", **fields}
                store.insert(Message.model_validate(message), parent="thread_1")
        run = {"id": "run_1", "object": "thread.run", "status": "in_progress", "created_at": 1}
        run |= {"expires_at": 2**40, "thread_id": "thread_1", "assistant_id": "a", "model": MODEL}
        run |= {"instructions": "", "tools": [], "parallel_tool_calls": True}
        yield store, Run.model_validate(run)


def said(asked: prompt.Prompt) -> list[int]:
    sent = asked.request(asked.thread)["input"]
    return [int(item["content"][0]["text"].split()[1]) for item in sent]


def test_a_limit_on_the_prompt_counts_each_message_once(long_thread, monkeypatch):
    store, run = long_thread
    count, counted = tokens.count_message, []
    monkeypatch.setattr(tokens, "count_message", lambda text: counted.append(1) or count(text))
    run.max_prompt_tokens = 700
    kept = said(asyncio.run(prompt.build_prompt(store, run, NO_TOOLS)))
    assert len(counted) == 5000
    assert kept == [0, *range(5000 - 99, 5000)], "the first, and the newest that fit"


@pytest.mark.parametrize("most", [1, 3, 200])
def test_the_last_messages_are_read_and_no_others(long_thread, monkeypatch, most):
    store, run = long_thread
    strategy = {"type": "last_messages", "last_messages": most}
    run = Run.model_validate({**run.model_dump(), "truncation_strategy": strategy})
    read, number = Store._read, []
    monkeypatch.setattr(Store, "_read", lambda *args: number.append(1) or read(*args))
    kept = said(asyncio.run(prompt.build_prompt(store, run, NO_TOOLS)))
    assert kept == list(range(5000 - most, 5000))
    assert len(number) <= most + 20


def test_others_get_their_turn_while_a_prompt_is_made(long_thread):
    async def make() -> int:
        store, run = long_thread
        making = asyncio.create_task(prompt.build_prompt(store, run, NO_TOOLS))
        turns = 0
        while not making.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(said(making.result())) == 5000
        return turns

    assert asyncio.run(make()) >= 250


def test_an_image_that_is_too_large_ends_the_run_with_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "MOST_IMAGE_BYTES", 1000)

    def answer(handler, _):
        send_events(handler, completed("seen"))

    with upstream(answer) as model, connected(tmp_path / "images.db", upstream=model) as client:
        assistant, statuses = client.beta.assistants.create(model=MODEL), []
        for size in (1000, 1001):
            file = client.files.create(file=("a.png", b"x" * size), purpose="vision")
            image = {"type": "image_file", "image_file": {"file_id": file.id}}
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": [image]}]},
                poll_interval_ms=5,
            )
            statuses.append(run.status)
    assert statuses == ["completed", "failed"]
    assert file.id in run.last_error.message
    assert "Make it smaller" in run.last_error.message


def test_half_a_character_from_a_model_is_replaced(tmp_path):
    half = "x = \ud800 1"

    def answer(handler, _):
        send_events(handler, completed(half))

    with upstream(answer) as model, connected(tmp_path / "half.db", upstream=model) as client:
        assistant, thread = client.beta.assistants.create(model=MODEL), client.beta.threads.create()
        names = [
            event.event
            for event in client.beta.threads.runs.create(
                thread.id, assistant_id=assistant.id, stream=True
            )
        ]
        (message,) = client.beta.threads.messages.list(thread.id).data
    assert names[-1] == "thread.run.completed"
    assert message.content[0].text.value == "x = ? 1"


def test_an_error_is_no_500(client, thread):
    """What a request names is deleted in the moment in which it is handled."""
    with pytest.raises(APIStatusError) as error:
        client.beta.threads.runs.create(thread.id, assistant_id="asst_gone")
    assert error.value.status_code == 404
    assert until(lambda: client.beta.threads.runs.list(thread.id)).data == []
