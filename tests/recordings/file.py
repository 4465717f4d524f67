"""Files. Source: https://github.com/alexrudall/ruby-openai, batches_retrieve_input.yml, 14 March 2025."""

from unittest.mock import ANY

UPLOADED = {
    "object": "file",
    "id": ANY,
    "purpose": "assistants",
    "filename": ANY,
    "bytes": ANY,
    "created_at": ANY,
    "expires_at": None,
    "status": "processed",
    "status_details": None,
}
