"""Objects that no client gets to see as they are."""

from typing import Any

from openai.types.vector_store import ExpiresAfter
from pydantic import BaseModel


class VectorStoreRow(BaseModel):
    """What is kept of a vector store. How far its files are read is in the index of file search."""

    id: str
    created_at: int
    last_active_at: int
    name: str = ""
    description: str | None = None
    metadata: dict[str, str] | None = {}
    expires_after: ExpiresAfter | None = None


class FileBatchRow(BaseModel):
    """What is kept of a batch of files that was added to a vector store."""

    id: str
    created_at: int
    vector_store_id: str


class ModelItems(BaseModel):
    """What a model wrote in a turn of a run, in its order, to be sent back to it.

    Attributes:
        model: the model that wrote it; only that one can read its reasoning.
        step_id: the step that has its calls; empty if it has none.
        messages: the ids of the messages that it became.
    """

    id: str
    items: list[dict[str, Any]]
    model: str = ""
    step_id: str = ""
    messages: list[str] = []
