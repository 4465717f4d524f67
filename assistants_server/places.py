"""Where the data lies."""

import os
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".assistants"


def default_database() -> Path:
    """Return where the database lies: `ASSISTANTS_DB`, or a folder of this repository."""
    return Path(os.environ.get("ASSISTANTS_DB") or DEFAULT_FOLDER / "assistants.db")
