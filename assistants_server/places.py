"""Where the data lies."""

import os
from pathlib import Path


def default_database() -> Path:
    """Return where the database lies: `ASSISTANTS_DB`, or a folder of this repository."""
    here = Path(__file__).resolve().parent.parent / ".assistants" / "assistants.db"
    return Path(os.environ.get("ASSISTANTS_DB") or here)
