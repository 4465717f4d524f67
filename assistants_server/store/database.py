"""Opens the SQLite file, and refuses one that is not ours before touching it."""

import sqlite3
from pathlib import Path

from assistants_server import private
from assistants_server.store.errors import StoreError

APPLICATION_ID = 0x41435342  # "ACSB"
SQLITE_MAGIC = b"SQLite format 3\x00"

# Whether an object has attachments. In a text the quotes would be escaped, so nothing else fits.
HAS_FILES = """instr(body, '"attachments":[{') > 0"""

# What each version added to the one before it. A file of any of them is brought up to date in place.
# `owner` is the server that works on a run, `due` when an active run expires.
STEPS = (
    """
    CREATE TABLE objects (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        id     TEXT NOT NULL UNIQUE,
        kind   TEXT NOT NULL,
        parent TEXT,
        owner  TEXT,
        body   TEXT NOT NULL
    );
    CREATE INDEX objects_by_parent ON objects (kind, parent, seq);
    CREATE INDEX runs_by_owner ON objects (owner) WHERE owner IS NOT NULL;
    """,
    """
    ALTER TABLE objects ADD COLUMN due INTEGER;
    CREATE INDEX runs_by_due ON objects (due) WHERE due IS NOT NULL;
    UPDATE objects SET due = json_extract(body, '$.expires_at')
        WHERE kind = 'run' AND CASE WHEN json_valid(body) THEN json_extract(body, '$.status')
        IN ('queued', 'in_progress', 'requires_action', 'cancelling') END;
    """,
    f"""
    CREATE INDEX messages_with_files ON objects (kind, parent, seq) WHERE {HAS_FILES};
    """,
)
SCHEMA_VERSION = len(STEPS)
SECONDS_TO_OPEN = 10


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database at `path`, creating it and its folder if need be.

    Raises:
        StoreError: the file is something else, is newer than this program, or cannot be read.
            It is left as it was.
    """
    try:
        _refuse_foreign(path)
        private.make_database(path)
        connection = sqlite3.connect(
            path, timeout=SECONDS_TO_OPEN, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"Cannot open the database {path}: {error}. Name another file with --db "
            "or ASSISTANTS_DB, or move this one away."
        ) from error
    return connection


def _refuse_foreign(path: Path) -> None:
    # Read the header by hand: even opening a file with SQLite can change it.
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        header = file.read(100)
    application_id = int.from_bytes(header[68:72], "big")
    if not header.startswith(SQLITE_MAGIC) or application_id != APPLICATION_ID:
        raise StoreError(
            f"{path} is not a database of this server, so it was left alone. Name another "
            "file with --db or ASSISTANTS_DB."
        )
    version = int.from_bytes(header[60:64], "big")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer version of this server (schema {version}, "
            f"this one knows {SCHEMA_VERSION}). Update the cookbook, or name another file."
        )


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two processes may create the file at once
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")
