"""Where everything is kept: one SQLite file, and a folder for uploaded contents."""

from assistants_server.store.errors import (
    Busy,
    NotFound,
    StoreError,
    Unreadable,
    Unstorable,
    Unwritable,
)
from assistants_server.store.ids import new_id
from assistants_server.store.reasoning import Reasoning
from assistants_server.store.rows import FileBatchRow, VectorStoreRow
from assistants_server.store.store import Page, Row, Store

__all__ = [
    "Busy",
    "FileBatchRow",
    "NotFound",
    "Page",
    "Reasoning",
    "Row",
    "Store",
    "StoreError",
    "Unreadable",
    "Unstorable",
    "Unwritable",
    "VectorStoreRow",
    "new_id",
]
