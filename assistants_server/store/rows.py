"""What is kept of a vector store, and of a batch of files that was added to one.

How many files there are, and how far they have been read, is in the index of the file search.
"""

from openai.types.vector_store import ExpiresAfter
from pydantic import BaseModel


class VectorStoreRow(BaseModel):
    id: str
    created_at: int
    last_active_at: int
    name: str = ""
    description: str | None = None
    metadata: dict[str, str] | None = {}
    expires_after: ExpiresAfter | None = None


class FileBatchRow(BaseModel):
    id: str
    created_at: int
    vector_store_id: str
