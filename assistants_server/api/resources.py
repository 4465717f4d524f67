"""Checks that the files and vector stores which a request names are here."""

from openai.types import FileObject, VectorStore

from assistants_server.api.fields import ToolResources
from assistants_server.store import Store


def check(store: Store, resources: ToolResources | None) -> None:
    """Refuse tool resources that do not exist.

    Raises:
        NotFound: a file or a vector store that is not here.
    """
    if resources is None:
        return
    if resources.file_search:
        for store_id in resources.file_search.vector_store_ids:
            store.get(VectorStore, store_id)
    if resources.code_interpreter:
        for file_id in resources.code_interpreter.file_ids:
            store.get(FileObject, file_id)
