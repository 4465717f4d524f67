"""Vector store files as rows of the index. A row that is not valid is repaired when it is read."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from openai.types import StaticFileChunkingStrategy, StaticFileChunkingStrategyObject
from openai.types.vector_stores import VectorStoreFile
from pydantic import ValidationError
from pydantic_core import from_json

from assistants_server.file_search.chunking import DEFAULT_OVERLAP, DEFAULT_TOKENS

log = logging.getLogger(__name__)

COLUMNS = "store, file, status, body"
AUTO = StaticFileChunkingStrategyObject(
    type="static",
    static=StaticFileChunkingStrategy(
        max_chunk_size_tokens=DEFAULT_TOKENS, chunk_overlap_tokens=DEFAULT_OVERLAP
    ),
)
STATUSES = ("in_progress", "completed", "failed", "cancelled")


def fields(store: str, id: str, **known: Any) -> dict[str, Any]:
    """Return all fields of a file: those that are known, and what the others are at first."""
    return {
        "id": id,
        "object": "vector_store.file",
        "created_at": 0,
        "status": "in_progress",
        "usage_bytes": 0,
        "vector_store_id": store,
        "attributes": {},
        "chunking_strategy": AUTO,
        **known,
    }


def dump(file: VectorStoreFile) -> str:
    return file.model_dump_json(by_alias=True)


def load(row: Sequence[str]) -> VectorStoreFile:
    """Return the file of a row, given as `COLUMNS`.

    What is wrong with it is left out and logged, for example an attribute that is null because it
    was NaN. The other columns say what must be known of a file.
    """
    store, id, status, body = row
    try:
        return VectorStoreFile.model_validate_json(body)
    except ValidationError as error:
        wrong = [each["loc"] for each in error.errors()]
    # Without the name of an attribute, which is private.
    reasons = sorted({str(place[0]) if place else "not a JSON object" for place in wrong})
    log.warning("row repaired", extra={"fields": {"store": store, "file": id, "why": reasons}})
    content: dict[str, Any] = {}
    if all(wrong):
        content = from_json(body)
        for field, *inner in wrong:
            if field == "attributes" and inner:
                content[field].pop(inner[0], None)
            else:
                content.pop(str(field), None)
    content |= {"id": id, "vector_store_id": store}
    content["status"] = status if status in STATUSES else "failed"
    return VectorStoreFile.model_validate({**fields(store, id), **content})


def repair_all(connection: sqlite3.Connection) -> None:
    """Write back every row as it is read."""
    for row in connection.execute(f"SELECT {COLUMNS} FROM files").fetchall():
        file = load(row)
        connection.execute(
            "UPDATE files SET status = ?, body = ? WHERE store = ? AND file = ?",
            (file.status, dump(file), row[0], row[1]),
        )
