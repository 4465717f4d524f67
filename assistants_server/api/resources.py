"""Tool resources: what a request names must be here, and what it asks for is made."""

from openai.types import FileObject, VectorStore
from openai.types.beta import Thread

from assistants_server.api.errors import ApiError
from assistants_server.api.fields import FileSearchResources, NewVectorStore, ToolResources
from assistants_server.file_search import Library
from assistants_server.store import Store

DAYS_OF_A_THREADS_STORE = 7  # as OpenAI's


async def settle(library: Library, store: Store, resources: ToolResources | None) -> None:
    """Check tool resources, and put vector stores that they ask for in place of the asking.

    Raises:
        NotFound: a file or a vector store that is not here.
        ApiError: 400, it has a vector store already and asks for another.
    """
    if resources is None:
        return
    search = resources.file_search
    for store_id in search.vector_store_ids if search else ():
        store.get(VectorStore, store_id)
    if resources.code_interpreter:
        for file_id in resources.code_interpreter.file_ids:
            store.get(FileObject, file_id)
    if search and search.vector_stores is not None:
        await _make(library, search, search.vector_stores)


async def _make(
    library: Library, search: FileSearchResources, wanted: list[NewVectorStore]
) -> None:
    if search.vector_store_ids and wanted:
        raise ApiError(
            400,
            "Give either vector_store_ids or vector_stores; there can be one store only.",
            param="tool_resources.file_search.vector_stores",
            code="invalid_value",
        )
    for each in wanted:
        strategy = each.chunking_strategy and each.chunking_strategy.model_dump()
        created = await library.create(
            each.file_ids, strategy, name="", metadata=each.metadata or {}
        )
        search.vector_store_ids = [created.id]
    search.vector_stores = None
    search.model_fields_set.discard("vector_stores")


async def attach(library: Library, store: Store, thread_id: str, file_ids: list[str]) -> None:
    """Put files that were attached to messages into the vector store of their thread.

    A thread that has none gets one, which expires when it has not been used for a week.
    """
    if not file_ids:
        return
    thread = store.get(Thread, thread_id)
    resources = thread.tool_resources.model_dump() if thread.tool_resources else {}
    mine = (resources.get("file_search") or {}).get("vector_store_ids") or []
    if not mine:
        expires = {"anchor": "last_active_at", "days": DAYS_OF_A_THREADS_STORE}
        created = await library.create(name="", metadata={}, expires_after=expires)
        mine = [created.id]
        resources["file_search"] = {"vector_store_ids": mine}
        with store.transaction():
            before = store.get(Thread, thread_id).model_dump()
            store.update(Thread.model_validate({**before, "tool_resources": resources}))
    for file_id in file_ids:
        await library.add(mine[0], file_id)
