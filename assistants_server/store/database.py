"""Opens the SQLite file, after checking that it was created by this program."""

import sqlite3
from pathlib import Path

from assistants_server import private_files
from assistants_server.store.errors import StoreError

APPLICATION_ID = 0x41435342  # "ACSB"
SQLITE_MAGIC = b"SQLite format 3\x00"

# Whether an object has attachments. In a text the quotes would be escaped, so nothing else fits.
HAS_FILES = """instr(body, '"attachments":[{') > 0"""

# The migration from each schema version to the next. Opening an older file runs those it lacks.
# `owner` is the server that works on a run, `due` when an active run, or a file, expires.
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
    """Open the database at `path`. It is created if it does not exist, and so is its folder.

    Raises:
        StoreError: the file was created by another program or by a newer version of this one, or
            cannot be read. It has not been changed.
    """
    try:
        _refuse_foreign(path)
        private_files.make_database(path)
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
    # The header is read without SQLite, because even opening a file with SQLite can change it.
    # See https://www.sqlite.org/fileformat.html#the_database_header
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
    connection.execute("BEGIN IMMEDIATE")  # another process may create the file at the same time
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode, NORMAL loses no commit when the process is killed, only when the power fails.
    connection.execute("PRAGMA synchronous = NORMAL")
