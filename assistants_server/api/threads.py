"""``/threads``: create, retrieve, modify, delete."""

from contextlib import AsyncExitStack

from fastapi import APIRouter
from openai.types.beta import ThreadDeleted

from assistants_server.api import tool_resources
from assistants_server.api.context import SECONDS_TO_WAIT, TheEngine, TheLibrary, TheStore
from assistants_server.api.fields import Modification
from assistants_server.api.messages import Messages, prepare, to_search
from assistants_server.clock import now
from assistants_server.file_search import Library
from assistants_server.store import Store, new_id
from assistants_server.web.strict_route import StrictRoute
from assistants_server.wire import Thread

router = APIRouter(prefix="/v1/threads", route_class=StrictRoute)


class CreateThread(Modification):
    messages: Messages = []


async def add_thread(
    store: Store, library: Library, body: CreateThread, undo: AsyncExitStack
) -> Thread:
    """Store a new thread with its first messages.

    Args:
        undo: gets the calls that delete all of it again.

    Raises:
        NotFound: a file or a vector store that it names does not exist.
        ApiError: its tool resources contradict each other.
    """
    await tool_resources.settle(library, store, body.tool_resources, undo)
    fields = {"id": new_id("thread_"), "object": "thread", "created_at": now()}
    given = body.model_dump(include={"metadata", "tool_resources"}, exclude_unset=True)
    thread = Thread.model_validate({**fields, **given})
    messages = await prepare(store, thread.id, body.messages)
    async with store.writing(SECONDS_TO_WAIT):
        store.insert(thread)
        for row in messages:
            store.insert_row(row)
    undo.push_async_callback(tool_resources.take_back, store, thread.id)
    files = to_search(body.messages)
    await tool_resources.attach(library, store, thread.id, files, undo)
    return store.get(Thread, thread.id) if files else thread


@router.post("")
async def create(store: TheStore, library: TheLibrary, body: CreateThread | None = None) -> Thread:
    async with AsyncExitStack() as undo:
        thread = await add_thread(store, library, body or CreateThread(), undo)
        undo.pop_all()
    return thread


@router.get("/{thread_id}")
async def retrieve(thread_id: str, store: TheStore) -> Thread:
    return tool_resources.get(store, Thread, thread_id)


@router.post("/{thread_id}")
async def modify(
    thread_id: str, body: Modification, store: TheStore, library: TheLibrary
) -> Thread:
    return await tool_resources.modify(library, store, Thread, thread_id, body)


@router.delete("/{thread_id}")
async def delete(thread_id: str, store: TheStore, engine: TheEngine) -> ThreadDeleted:
    store.delete(Thread, thread_id)
    await engine.forget(thread_id)
    return ThreadDeleted(id=thread_id, deleted=True, object="thread.deleted")
