"""Opens the file of an index, and brings one that an earlier version made up to date."""

import sqlite3
from pathlib import Path

from assistants_server import private_files
from assistants_server.file_search import rows

VERSION = 1
SECONDS_FOR_A_LOCK = 1

TABLES = """
    CREATE TABLE IF NOT EXISTS files (
        seq    INTEGER PRIMARY KEY AUTOINCREMENT,
        store  TEXT NOT NULL,
        file   TEXT NOT NULL,
        batch  TEXT,
        name   TEXT NOT NULL,
        status TEXT NOT NULL,
        body   TEXT NOT NULL,
        owner  TEXT,
        UNIQUE (store, file)
    );
    CREATE TABLE IF NOT EXISTS passages (
        id     INTEGER PRIMARY KEY,
        owner  INTEGER NOT NULL,
        number INTEGER NOT NULL,
        text   TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS passages_by_owner ON passages (owner);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
        text, content = 'passages', content_rowid = 'id',
        tokenize = 'porter unicode61 remove_diacritics 2'
    );
    -- The seq of files that are gone and whose passages are still to be removed.
    CREATE TABLE IF NOT EXISTS dropped (seq INTEGER PRIMARY KEY);
"""
# The server that reads a file; nobody does if it is null. An index of the first version lacks it.
ADD_OWNER = "ALTER TABLE files ADD COLUMN owner TEXT"
UNREAD = "CREATE INDEX files_unread ON files (owner, seq) WHERE status = 'in_progress'"


def open_index(path: Path) -> sqlite3.Connection:
    """Open the index at `path`, for this user alone, creating it if need be.

    Raises `sqlite3.OperationalError` if another process holds the file just now, and other
    `sqlite3.DatabaseError` if it is no index, or damaged.
    """
    private_files.make_database(path)
    connection = sqlite3.connect(
        path, timeout=SECONDS_FOR_A_LOCK, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) < VERSION:
            _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two servers may open the file at once
    with connection:
        if _version(connection) == VERSION:
            return
        for table in TABLES.split(";"):
            connection.execute(table)
        columns = [row[1] for row in connection.execute("PRAGMA table_info (files)")]
        if "owner" not in columns:
            connection.execute(ADD_OWNER)
            rows.repair_all(connection)
        connection.execute(UNREAD)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]
