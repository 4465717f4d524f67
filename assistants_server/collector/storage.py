"""Keeps spans and uploaded logs in a SQLite file of their own."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from assistants_server import private_files
from assistants_server.collector.spans import Span

MOST_TRACES = 200
MOST_BYTES = 256 * 1024 * 1024  # of the file; beyond that what came first goes first
ADDS_BETWEEN_COUNTS = 50
SECONDS_TO_WAIT = 5  # for another program that writes; the exporter gives up after ten

SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    span_id  TEXT PRIMARY KEY,
    trace_id TEXT NOT NULL,
    start    INTEGER NOT NULL,
    body     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS spans_by_trace ON spans (trace_id, start);
CREATE TABLE IF NOT EXISTS logs (trace_id TEXT NOT NULL, body TEXT NOT NULL);
"""


class Storage:
    """The traces of all programs that use this file; the oldest are forgotten.

    May be used by several threads and several processes.

    Raises:
        sqlite3.Error: the file cannot be used, or, in each method, not now. What was to be added
            is not there then, and nobody is locked out.
    """

    def __init__(self, path: Path) -> None:
        private_files.make_database(path)
        self._lock = Lock()
        self._connection = sqlite3.connect(
            path, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA journal_size_limit = 16777216")
        self._connection.executescript(SCHEMA)
        self._adds = 0
        with self._transaction():
            self._forget()

    def add(self, spans: list[Span]) -> None:
        """Keep spans; one that is there already is replaced."""
        rows = ((each.span_id, each.trace_id, each.start, json.dumps(vars(each))) for each in spans)
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", rows)
            self._make_room()

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, by their start."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM spans WHERE trace_id = ? ORDER BY start, rowid", (trace_id,)
            ).fetchall()
        return [Span(**json.loads(body)) for (body,) in rows]

    def everything(self) -> list[Span]:
        """Return the spans of all traces, by their start."""
        with self._lock:
            rows = self._connection.execute("SELECT body FROM spans ORDER BY start").fetchall()
        return [Span(**json.loads(body)) for (body,) in rows]

    def add_log(self, trace_id: str, body: str) -> None:
        """Keep what a program has printed during a trace; lone surrogates become question marks."""
        body = body.encode(errors="replace").decode()
        with self._transaction():
            self._connection.execute("INSERT INTO logs VALUES (?, ?)", (trace_id, body))
            self._make_room()

    def log(self, trace_id: str) -> str:
        """Return what a program has printed during a trace, as far as it was uploaded."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM logs WHERE trace_id = ? ORDER BY rowid", (trace_id,)
            ).fetchall()
        return "".join(body for (body,) in rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:  # commits, or rolls back whatever went wrong
                yield

    def _make_room(self) -> None:
        self._adds += 1
        if self._adds % ADDS_BETWEEN_COUNTS == 0:
            self._forget()
        deleted = 1
        while deleted and self._bytes() > MOST_BYTES:
            deleted = sum(
                self._connection.execute(
                    f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} "
                    f"ORDER BY rowid LIMIT (SELECT COUNT(*) / 10 + 1 FROM {table}))"
                ).rowcount
                for table in ("spans", "logs")
            )

    def _bytes(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _forget(self) -> None:
        """Delete all traces but those that grew last; and old uploads that belong to none."""
        old = (
            "SELECT trace_id FROM spans GROUP BY trace_id ORDER BY MAX(rowid) DESC "
            f"LIMIT -1 OFFSET {MOST_TRACES}"
        )
        self._connection.execute(f"DELETE FROM logs WHERE trace_id IN ({old})")
        self._connection.execute(f"DELETE FROM spans WHERE trace_id IN ({old})")
        # An upload that has just come may be there before its spans.
        self._connection.execute(
            "DELETE FROM logs WHERE trace_id NOT IN (SELECT trace_id FROM spans) AND rowid NOT IN "
            f"(SELECT rowid FROM logs ORDER BY rowid DESC LIMIT {MOST_TRACES})"
        )
