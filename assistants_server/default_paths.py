"""Where data is stored unless the user names another place."""

import os
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".assistants"


def default_database() -> Path:
    """Return the path in the environment variable ASSISTANTS_DB, or one in `DEFAULT_FOLDER`."""
    return Path(os.environ.get("ASSISTANTS_DB") or DEFAULT_FOLDER / "assistants.db")
