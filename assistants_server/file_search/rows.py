"""Vector store files as rows of the index. A row that is not valid is repaired when it is read."""

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from openai.types import StaticFileChunkingStrategy, StaticFileChunkingStrategyObject
from openai.types.vector_stores import VectorStoreFile
from pydantic import ValidationError

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
        reasons = sorted({f"{_field(each['loc'])}: {each['type']}" for each in error.errors()})
        log.warning("row repaired", extra={"fields": {"store": store, "file": id, "why": reasons}})
    least = {
        "id": id,
        "object": "vector_store.file",
        "created_at": 0,
        "status": status if status in STATUSES else "failed",
        "usage_bytes": 0,
        "vector_store_id": store,
        "attributes": {},
        "chunking_strategy": AUTO,
    }
    kept = {
        key: value
        for key, value in _parsed(body).items()
        if key not in ("id", "status", "vector_store_id")  # the columns say so
        and _is_valid(VectorStoreFile.model_validate, {**least, key: value})
    }
    return VectorStoreFile.model_validate({**least, **kept})


def repair_all(connection: sqlite3.Connection) -> None:
    """Write back every row that cannot be read as it is."""
    for row in connection.execute(f"SELECT {COLUMNS} FROM files").fetchall():
        if not _is_valid(VectorStoreFile.model_validate_json, row[-1]):
            file = load(row)
            connection.execute(
                "UPDATE files SET status = ?, body = ? WHERE store = ? AND file = ?",
                (file.status, dump(file), row[0], row[1]),
            )


def _is_valid(read: Callable[[Any], Any], value: Any) -> bool:
    try:
        read(value)
    except ValidationError:
        return False
    return True


def _parsed(body: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    attributes = content.get("attributes")
    if isinstance(attributes, dict):
        content["attributes"] = {
            key: value for key, value in attributes.items() if _is_attribute(value)
        }
    return content


def _is_attribute(value: Any) -> bool:
    if isinstance(value, float):
        return value - value == 0  # neither NaN nor infinite
    return isinstance(value, str | bool | int)


def _field(location: tuple[str | int, ...]) -> str:
    return "".join(map(str, location[:1]))  # without the name of an attribute, which is private
