"""Stores all objects in one SQLite file, with a folder beside it for uploaded contents."""

from assistants_server.store.errors import (
    Busy,
    NotFound,
    StoreError,
    Unreadable,
    Unstorable,
    Unwritable,
)
from assistants_server.store.ids import new_id
from assistants_server.store.rows import FileBatchRow, ModelItems, VectorStoreRow
from assistants_server.store.store import Page, Row, Store, Stored

__all__ = [
    "Busy",
    "FileBatchRow",
    "ModelItems",
    "NotFound",
    "Page",
    "Row",
    "Store",
    "StoreError",
    "Stored",
    "Unreadable",
    "Unstorable",
    "Unwritable",
    "VectorStoreRow",
    "new_id",
]
