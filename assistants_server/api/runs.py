"""``/threads/{thread_id}/runs`` and ``/threads/runs``: create, list, retrieve, modify, cancel."""

from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from assistants_server.api import fields, tool_resources
from assistants_server.api.context import SECONDS_TO_WAIT, TheEngine, TheStore
from assistants_server.api.event_stream import EventStream
from assistants_server.api.lists import ListPage, Paging
from assistants_server.api.messages import Messages, prepare, to_search
from assistants_server.api.threads import CreateThread, add_thread
from assistants_server.clock import now
from assistants_server.engine import Engine
from assistants_server.engine.states import (
    ACTIVE,
    SECONDS_TO_EXPIRE,
    End,
    active_run,
    end_run,
    expire_if_due,
)
from assistants_server.file_search import Library
from assistants_server.store import Store, new_id
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import Temperature, TopP, WithMetadata
from assistants_server.web.strict_route import StrictRoute
from assistants_server.wire import Assistant, Run, Thread

router = APIRouter(prefix="/v1/threads", route_class=StrictRoute)

Include = Literal["step_details.tool_calls[*].file_search.results[*].content"]
# What a run has of its request, or of its assistant, or by default.
SETTINGS = {"model", "temperature", "top_p", "max_prompt_tokens", "max_completion_tokens"}
SETTINGS |= {"truncation_strategy", "tool_choice", "parallel_tool_calls", "response_format"}
SETTINGS |= {"reasoning_effort"}
DEFAULTS = {
    "truncation_strategy": {"type": "auto"},
    "tool_choice": "auto",
    "response_format": "auto",
}
TokenLimit = Annotated[int, Field(ge=256)]


class RunSettings(WithMetadata):
    """What a run can set. For what it leaves out, the assistant's setting holds."""

    assistant_id: str
    model: str | None = None
    instructions: fields.Instructions | None = None
    tools: fields.Tools | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    max_prompt_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    truncation_strategy: fields.TruncationStrategy | None = None
    tool_choice: fields.ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: fields.ResponseFormat | None = None


class CreateRun(RunSettings):
    additional_instructions: fields.Instructions | None = None
    additional_messages: Messages | None = None
    reasoning_effort: fields.Effort | None = None


class CreateThreadAndRun(RunSettings):
    thread: CreateThread | None = None
    tool_resources: fields.ToolResources | None = None


class RunQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include: Annotated[list[Include], Field(alias="include[]")] = []


async def _add_run(store: Store, library: Library, thread_id: str, body: CreateRun) -> Run:
    """Store a new queued run, with the messages that it adds to the thread.

    It is stored last, and nothing is awaited after that, so that it is started before the watchdog
    sees it, and is never left behind by what fails.

    Raises:
        NotFound: the thread, the assistant or a file does not exist; nothing is stored.
        ApiError: 400, the thread has an active run; nothing is stored.
    """
    added = body.additional_messages or []
    if added:
        _addable(store, thread_id, body)  # before their files are attached
    messages = await prepare(store, thread_id, added)
    async with AsyncExitStack() as undo:
        await tool_resources.attach(library, store, thread_id, to_search(added), undo)
        async with store.writing(SECONDS_TO_WAIT):
            run = _addable(store, thread_id, body)
            for row in messages:
                store.insert_row(row)
            store.insert(run, parent=thread_id)
            store.claim(run)
        undo.pop_all()
    return run


def _addable(store: Store, thread_id: str, body: CreateRun) -> Run:
    """Return a new run, if its thread takes one now. Raises as `_add_run`."""
    store.get(Thread, thread_id)
    assistant = store.get(Assistant, body.assistant_id)
    if active := active_run(store, thread_id):
        raise ApiError(400, f"Thread {thread_id} already has an active run {active.id}.")
    run = _new_run(thread_id, assistant, body)
    _check_choice(run)
    return run


def _check_choice(run: Run) -> None:
    """Refuse a tool_choice that the run cannot follow.

    Raises:
        ApiError: 400, the run does not have that tool.
    """
    wanted = run.tool_choice
    if isinstance(wanted, str) or wanted is None:
        missing = wanted == "required" and not run.tools
        name = "a tool"
    elif wanted.type == "function" and wanted.function:
        name = f"a function '{wanted.function.name}'"
        names = [tool.function.name for tool in run.tools if tool.type == "function"]
        missing = wanted.function.name not in names
    else:
        name = f"the tool '{wanted.type}'"
        missing = wanted.type not in [tool.type for tool in run.tools]
    if missing:
        raise ApiError(
            400,
            f"Invalid 'tool_choice': it asks for {name}, which this run does not have. Add it to "
            "the tools of the run or of its assistant.",
            param="tool_choice",
            code="invalid_value",
        )


def _new_run(thread_id: str, assistant: Assistant, body: CreateRun) -> Run:
    def chosen(name: str) -> Any:
        for source in (body, assistant):
            value = getattr(source, name, None)
            if value is not None:
                return value.model_dump(by_alias=True) if isinstance(value, BaseModel) else value
        return DEFAULTS.get(name)

    instructions = [chosen("instructions"), body.additional_instructions]
    return Run.model_validate(
        {
            "id": new_id("run_"),
            "object": "thread.run",
            "created_at": now(),
            "expires_at": now() + SECONDS_TO_EXPIRE,
            "status": "queued",
            "thread_id": thread_id,
            "assistant_id": assistant.id,
            "instructions": "\n\n".join(text for text in instructions if text),
            "tools": [
                tool.model_dump(by_alias=True, exclude_unset=True) for tool in chosen("tools")
            ],
            "metadata": body.metadata or {},
            **{name: chosen(name) for name in SETTINGS},
        }
    )


@router.post("/runs", response_model=Run)
async def create_thread_and_run(
    body: CreateThreadAndRun, store: TheStore, engine: TheEngine
) -> Run | EventStream:
    thread = body.thread or CreateThread()
    if body.tool_resources is not None:
        thread.tool_resources = body.tool_resources
    given = {k: v for k, v in body.given().items() if k not in ("thread", "tool_resources")}
    store.get(Assistant, body.assistant_id)  # before anything is made
    async with AsyncExitStack() as undo:
        added = await add_thread(store, engine.library, thread, undo)
        run = await _add_run(store, engine.library, added.id, CreateRun.model_validate(given))
        undo.pop_all()
    return _start(engine, run, body.stream, ("thread.created", added))


@router.post("/{thread_id}/runs", response_model=Run)
async def create(
    thread_id: str,
    body: CreateRun,
    query: Annotated[RunQuery, Query()],
    store: TheStore,
    engine: TheEngine,
) -> Run | EventStream:
    run = await _add_run(store, engine.library, thread_id, body)
    return _start(engine, run, body.stream, contents=store if query.include else None)


def _start(
    engine: Engine,
    run: Run,
    stream: bool | None,
    *before: tuple[str, BaseModel],
    contents: Store | None = None,
) -> Run | EventStream:
    """Start a new run; return it, or its events, behind those that came before."""
    answer = EventStream(engine.feed, run.id, contents) if stream else run
    for event, data in (*before, ("thread.run.created", run), ("thread.run.queued", run)):
        engine.feed.publish(run.id, event, data)
    engine.start(run.id)
    return answer


@router.get("/{thread_id}/runs")
async def list_all(thread_id: str, cursor: Paging, store: TheStore) -> ListPage[Run]:
    store.get(Thread, thread_id)
    page = store.page(Run, thread_id, **cursor.model_dump())
    page.items[:] = [expire_if_due(store, run) for run in page.items]
    return ListPage[Run].of(page)


@router.get("/{thread_id}/runs/{run_id}")
async def retrieve(thread_id: str, run_id: str, store: TheStore) -> Run:
    return expire_if_due(store, store.get(Run, run_id, thread_id))


@router.post("/{thread_id}/runs/{run_id}")
async def modify(thread_id: str, run_id: str, body: WithMetadata, store: TheStore) -> Run:
    with store.change(Run, run_id, thread_id) as run:
        run.metadata = body.given().get("metadata", run.metadata) or {}
    return run


@router.post("/{thread_id}/runs/{run_id}/cancel")
async def cancel(thread_id: str, run_id: str, store: TheStore, engine: TheEngine) -> Run:
    expire_if_due(store, store.get(Run, run_id, thread_id))
    async with store.writing(SECONDS_TO_WAIT):
        with store.change(Run, run_id, thread_id) as run:
            if run.status not in ACTIVE or run.status == "cancelling":
                raise ApiError(400, f"Cannot cancel run with status '{run.status}'.")
            waited, run.status = run.status == "requires_action", "cancelling"
        if waited:  # nobody executes it
            end_run(store, run_id, End("cancelled"))
    engine.feed.publish(run.id, "thread.run.cancelling", run)
    engine.interrupt(run.id)
    return run
