"""``/threads``: create, retrieve, modify, delete."""

from fastapi import APIRouter
from openai.types.beta import Thread, ThreadDeleted

from assistants_server.api import fields, resources
from assistants_server.api.context import TheEngine, TheStore
from assistants_server.api.messages import CreateMessage, add_message
from assistants_server.clock import now
from assistants_server.store import Store, new_id

router = APIRouter(prefix="/threads")


class ModifyThread(fields.Body):
    tool_resources: fields.ToolResources | None = None
    metadata: fields.Metadata | None = None


class CreateThread(ModifyThread):
    messages: list[CreateMessage] = []


def add_thread(store: Store, body: CreateThread) -> Thread:
    """Store a new thread with its first messages.

    Raises:
        NotFound, ApiError: it names a file that is not here; nothing is stored.
    """
    resources.check(store, body.tool_resources)
    thread = Thread(
        id=new_id("thread_"),
        object="thread",
        created_at=now(),
        metadata=body.metadata or {},
        tool_resources=body.tool_resources and body.tool_resources.model_dump(),
    )
    with store.transaction():
        store.insert(thread)
        for message in body.messages:
            add_message(store, thread.id, message)
    return thread


@router.post("")
async def create(store: TheStore, body: CreateThread | None = None) -> Thread:
    return add_thread(store, body or CreateThread())


@router.get("/{thread_id}")
async def retrieve(thread_id: str, store: TheStore) -> Thread:
    return store.get(Thread, thread_id)


@router.post("/{thread_id}")
async def modify(thread_id: str, body: ModifyThread, store: TheStore) -> Thread:
    resources.check(store, body.tool_resources)
    with store.transaction():
        before = store.get(Thread, thread_id)
        after = Thread.model_validate({**before.model_dump(), **body.given()})
        store.update(after)
    return after


@router.delete("/{thread_id}")
async def delete(thread_id: str, store: TheStore, engine: TheEngine) -> ThreadDeleted:
    store.delete(Thread, thread_id)
    await engine.forget(thread_id)
    return ThreadDeleted(id=thread_id, deleted=True, object="thread.deleted")
