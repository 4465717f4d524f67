"""Files of vector stores. Source: printed in a public repository, 16 July 2025."""

from unittest.mock import ANY

ADDED = {
    "id": ANY,
    "object": "vector_store.file",
    "usage_bytes": 0,
    "created_at": ANY,
    "vector_store_id": ANY,
    "status": "in_progress",
    "last_error": None,
    "attributes": {},
    "chunking_strategy": {
        "type": "static",
        "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
    },
}
