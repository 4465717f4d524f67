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
    """The reasoning and the calls behind a step, in their order, to be sent back to the model."""

    id: str
    items: list[dict[str, Any]]

    @staticmethod
    def id_behind(step_id: str) -> str:
        return f"items_{step_id}"
