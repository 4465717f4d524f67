"""Threads. Source: Traceloop, 31 March 2026, test_new_assistant_with_polling.yaml."""

from unittest.mock import ANY

PLAIN = {
    "id": ANY,
    "object": "thread",
    "created_at": ANY,
    "metadata": {},
    "tool_resources": {},  # the published description allows null
}
