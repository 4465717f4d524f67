"""Tool resources: checks the ids that a request names, and creates the vector stores it asks for.

A request takes effect as a whole or not at all. Each step adds what undoes it to an exit stack, which
is unwound if a later step fails.
"""

from contextlib import AsyncExitStack, suppress

from openai.types import FileObject, VectorStore
from openai.types.beta import Thread
from openai.types.beta.thread import ToolResources as ThreadResources

from assistants_server.api.context import SECONDS_TO_WAIT
from assistants_server.api.fields import (
    FileSearchResources,
    NewVectorStore,
    ToolResources,
    as_dict,
)
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store, Stored, VectorStoreRow
from assistants_server.web.errors import ApiError

DAYS_OF_A_THREADS_STORE = 7  # as OpenAI's


async def settle(
    library: Library, store: Store, resources: ToolResources | None, undo: AsyncExitStack
) -> None:
    """Check that files and vector stores exist, and replace `vector_stores` by ids of new ones.

    Args:
        undo: gets the calls that delete the new vector stores.

    Raises:
        NotFound: a file or a vector store does not exist.
        ApiError: 400, both `vector_store_ids` and `vector_stores` are given.
    """
    if resources is None:
        return
    search = resources.file_search
    for store_id in search.vector_store_ids if search else ():
        store.get(VectorStoreRow, store_id)
    if resources.code_interpreter:
        for file_id in resources.code_interpreter.file_ids:
            store.get(FileObject, file_id)
    if search and search.vector_stores is not None:
        await _make(library, search, search.vector_stores, undo)


async def _make(
    library: Library,
    search: FileSearchResources,
    wanted: list[NewVectorStore],
    undo: AsyncExitStack,
) -> None:
    if search.vector_store_ids and wanted:
        raise ApiError(
            400,
            "Give either vector_store_ids or vector_stores; there can be one store only.",
            param="tool_resources.file_search.vector_stores",
            code="invalid_value",
        )
    for each in wanted:
        strategy = as_dict(each.chunking_strategy)
        created = await library.create(each.file_ids, strategy, metadata=each.metadata or {})
        undo.push_async_callback(_unmake, library, created)
        search.vector_store_ids = [created.id]
    search.vector_stores = None
    search.model_fields_set.discard("vector_stores")


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
            undo.push_async_callback(_detach, library, mine, file_id)
        await library.add(mine, file_id)


async def take_back(store: Store, kind: type[Stored], id: str) -> None:
    """Delete an object that a request has stored, because a later step of it failed."""
    async with store.writing(SECONDS_TO_WAIT):
        with suppress(NotFound):
            store.delete(kind, id)


def _store_of(store: Store, thread_id: str) -> str | None:
    resources = store.get(Thread, thread_id).tool_resources
    named = resources.file_search.vector_store_ids if resources and resources.file_search else None
    return named[0] if named else None


async def _give_store(library: Library, store: Store, thread_id: str, undo: AsyncExitStack) -> str:
    """Return the id of a new vector store for a thread, or of one that it got meanwhile."""
    expires = {"anchor": "last_active_at", "days": DAYS_OF_A_THREADS_STORE}
    created = await library.create(metadata={}, expires_after=expires)
    undo.push_async_callback(_unmake, library, created)
    if (theirs := _store_of(store, thread_id)) is not None:
        await _unmake(library, created)
        return theirs
    before = store.get(Thread, thread_id).tool_resources
    named = {"file_search": {"vector_store_ids": [created.id]}}
    after = ThreadResources.model_validate({**(before.model_dump() if before else {}), **named})
    await _replace(store, thread_id, before, after)
    undo.push_async_callback(_replace, store, thread_id, after, before)
    return created.id


async def _replace(
    store: Store, thread_id: str, old: ThreadResources | None, new: ThreadResources | None
) -> None:
    async with store.writing(SECONDS_TO_WAIT):
        with store.change(Thread, thread_id) as thread:
            if thread.tool_resources == old:  # no other request has changed them
                thread.tool_resources = new


async def _unmake(library: Library, made: VectorStore) -> None:
    with suppress(NotFound):
        await library.delete(made.id)


async def _detach(library: Library, store_id: str, file_id: str) -> None:
    with suppress(NotFound):
        await library.remove(store_id, file_id)
