"""Where data and settings are unless the user names another place."""

import os
from pathlib import Path

from platformdirs import user_data_path

ROOT = Path(__file__).resolve().parent.parent
# pip puts a folder of this name beside what it installs. A clone has none, nor an editable install.
INSTALLED = any(ROOT.glob("assistants_server-*.dist-info"))
DEFAULT_FOLDER = (
    user_data_path("assistants-server", appauthor=False) if INSTALLED else ROOT / ".assistants"
)


def default_database() -> Path:
    """Return the path in the environment variable ASSISTANTS_DB, or one in `DEFAULT_FOLDER`."""
    return Path(os.environ.get("ASSISTANTS_DB") or DEFAULT_FOLDER / "assistants.db")


def settings_file() -> Path:
    """Return the path of `.env`: in the clone, or in the working directory of an installed copy."""
    return (Path.cwd() if INSTALLED else ROOT) / ".env"
