"""Vector stores. Source: https://github.com/alexrudall/ruby-openai, spec/fixtures/cassettes, 30 April 2024."""

from unittest.mock import ANY

COUNTS = {"in_progress": ANY, "completed": ANY, "failed": ANY, "cancelled": ANY, "total": ANY}

EMPTY = {
    "id": ANY,
    "object": "vector_store",
    "name": None,  # the published description wants a text
    "status": "completed",
    "usage_bytes": 0,
    "created_at": ANY,
    "file_counts": COUNTS,
    "metadata": {},
    "expires_after": None,
    "expires_at": None,
    "last_active_at": ANY,
}

BATCH = {
    "id": ANY,
    "object": "vector_store.file_batch",  # "vector_store.files_batch" in the published description
    "created_at": ANY,
    "status": "in_progress",
    "vector_store_id": ANY,
    "file_counts": COUNTS,
}
