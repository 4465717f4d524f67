"""Checks that the files which a request names are here."""

from openai.types import FileObject

from assistants_server.api.errors import ApiError
from assistants_server.api.fields import ToolResources
from assistants_server.store import Store


def check(store: Store, resources: ToolResources | None) -> None:
    """Refuse tool resources that do not exist.

    Raises:
        NotFound: a file id that is not in the store.
        ApiError: a vector store; this server has none.
    """
    if resources is None:
        return
    if resources.file_search and resources.file_search.vector_store_ids:
        raise ApiError(
            400,
            "This server has no vector stores yet, so it cannot attach one.",
            param="tool_resources.file_search.vector_store_ids",
            code="unsupported_parameter",
        )
    if resources.code_interpreter:
        for file_id in resources.code_interpreter.file_ids:
            store.get(FileObject, file_id)
