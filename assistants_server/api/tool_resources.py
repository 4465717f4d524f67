"""Tool resources: checks the ids that a request names, and creates the vector stores it asks for.

A request takes effect as a whole or not at all. Each step adds what undoes it to an exit stack, which
is unwound if a later step fails.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

from openai.types import FileObject

from assistants_server.api.context import SECONDS_TO_WAIT
from assistants_server.api.fields import Modification, ToolResources
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store, VectorStoreRow
from assistants_server.web.errors import ApiError
from assistants_server.wire import Assistant, Thread
from assistants_server.wire import ToolResources as Resources

T = TypeVar("T", Assistant, Thread)

DAYS_OF_A_THREADS_STORE = 7  # as OpenAI's


async def settle(
    library: Library, store: Store, resources: ToolResources, undo: AsyncExitStack
) -> None:
    """Check that files and vector stores exist, and replace `vector_stores` by ids of new ones.

    Args:
        undo: gets the calls that delete the new vector stores.

    Raises:
        NotFound: a file or a vector store does not exist.
        ApiError: 400, both `vector_store_ids` and `vector_stores` are given.
    """
    search = resources.file_search
    for store_id in search.vector_store_ids:
        store.get(VectorStoreRow, store_id)
    for file_id in resources.code_interpreter.file_ids:
        store.get(FileObject, file_id)
    if search.vector_store_ids and search.vector_stores:
        raise ApiError(
            400,
            "Give either vector_store_ids or vector_stores; there can be one store only.",
            param="tool_resources.file_search.vector_stores",
            code="invalid_value",
        )
    for each in search.vector_stores:
        created = await library.create(**each.model_dump(exclude_none=True))
        undo.push_async_callback(_if_there, library.delete, created.id)
        search.vector_store_ids = [created.id]
    search.model_fields_set.discard("vector_stores")


def get(store: Store, kind: type[T], id: str) -> T:
    """Return an assistant or a thread, without the vector stores that have been deleted.

    Raises:
        NotFound: there is none.
    """
    found = store.get(kind, id)
    drop_deleted(store, found)
    return found


def drop_deleted(store: Store, *owners: Assistant | Thread) -> None:
    """Take deleted vector stores out of what assistants or threads are answered with."""
    searches = [each.tool_resources.file_search for each in owners]
    named = [search for search in searches if search and search.vector_store_ids]
    missing = store.missing(id for each in named for id in each.vector_store_ids) if named else ()
    for each in named if missing else ():
        each.vector_store_ids = [id for id in each.vector_store_ids if id not in missing]


async def modify(library: Library, store: Store, kind: type[T], id: str, body: Modification) -> T:
    """Give an assistant or a thread the fields of a request, and return it.

    Of its tool resources only those lists change that the request names.

    Raises:
        NotFound, ApiError: as `settle`, or the object does not exist.
    """
    store.get(kind, id)
    async with AsyncExitStack() as undo:
        await settle(library, store, body.tool_resources, undo)
        async with store.writing(SECONDS_TO_WAIT):
            before, given = get(store, kind, id).model_dump(by_alias=True), body.given()
            for tool, lists in given.pop("tool_resources", {}).items():
                before["tool_resources"].setdefault(tool, {}).update(lists)
            after = kind.model_validate({**before, **given})
            store.update(after)
        undo.pop_all()
    return after


async def attach(
    library: Library, store: Store, thread_id: str, file_ids: list[str], undo: AsyncExitStack
) -> None:
    """Add files that were attached to messages to the vector store of their thread.

    A thread without a vector store gets one, which expires when it has not been used for a week.

    Args:
        undo: gets the calls that remove the files and delete the vector store.

    Raises:
        NotFound: the thread, its vector store or a file has been deleted.
    """
    if not file_ids:
        return
    mine = _store_of(store, thread_id)
    if mine is None:
        mine = await _give_store(library, store, thread_id, undo)
    for file_id in file_ids:
        try:
            await library.file(mine, file_id)
        except NotFound:
            undo.push_async_callback(_if_there, library.remove, mine, file_id)
        await library.add(mine, file_id)


async def take_back(store: Store, thread_id: str) -> None:
    """Delete a thread that a request has stored, because a later step of it failed."""
    async with store.writing(SECONDS_TO_WAIT):
        with suppress(NotFound):
            store.delete(Thread, thread_id)


def _store_of(store: Store, thread_id: str) -> str | None:
    search = get(store, Thread, thread_id).tool_resources.file_search
    return search.vector_store_ids[0] if search and search.vector_store_ids else None


async def _give_store(library: Library, store: Store, thread_id: str, undo: AsyncExitStack) -> str:
    """Return the id of a new vector store for a thread, or of one that it got meanwhile."""
    expires = {"anchor": "last_active_at", "days": DAYS_OF_A_THREADS_STORE}
    created = await library.create(expires_after=expires)
    undo.push_async_callback(_if_there, library.delete, created.id)
    if (theirs := _store_of(store, thread_id)) is not None:
        await _if_there(library.delete, created.id)
        return theirs
    before = store.get(Thread, thread_id).tool_resources
    named = {"file_search": {"vector_store_ids": [created.id]}}
    after = Resources.model_validate(before.model_dump() | named)
    await _replace(store, thread_id, before, after)
    undo.push_async_callback(_replace, store, thread_id, after, before)
    return created.id


async def _replace(store: Store, thread_id: str, old: Resources, new: Resources) -> None:
    async with store.writing(SECONDS_TO_WAIT):
        with store.change(Thread, thread_id) as thread:
            if thread.tool_resources == old:  # no other request has changed them
                thread.tool_resources = new


async def _if_there(delete: Callable[..., Awaitable[None]], *ids: str) -> None:
    with suppress(NotFound):
        await delete(*ids)
