"""Vector stores and batches as the hosted API answered them: see ``tests/recordings``."""

from typing import Annotated, Literal

from openai import types
from openai.types import vector_stores

from assistants_server.web.shown import instead

BATCH = Literal["vector_store.files_batch"]  # in the SDK; its documentation's examples have no "s"


class VectorStore(types.VectorStore):
    name: Annotated[str, instead("", None)]


class VectorStoreFileBatch(vector_stores.VectorStoreFileBatch):
    object: Annotated[BATCH, instead("vector_store.files_batch", "vector_store.file_batch")]
