"""Keeps spans and uploaded logs in a SQLite file of their own."""

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from assistants_server import private
from assistants_server.collector.spans import Span

MOST_TRACES = 200

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
    """

    def __init__(self, path: Path) -> None:
        private.make_database(path)
        self._lock = Lock()
        self._connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        self._forget()

    def add(self, spans: list[Span]) -> None:
        """Keep spans; one that is there already is replaced."""
        rows = [
            (span.span_id, span.trace_id, span.start, json.dumps(asdict(span))) for span in spans
        ]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")

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
        """Keep what a program has printed during a trace."""
        with self._lock:
            self._connection.execute("INSERT INTO logs VALUES (?, ?)", (trace_id, body))

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

    def _forget(self) -> None:
        old = (
            "SELECT trace_id FROM spans GROUP BY trace_id ORDER BY MIN(start) DESC "
            f"LIMIT -1 OFFSET {MOST_TRACES}"
        )
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(f"DELETE FROM logs WHERE trace_id IN ({old})")
        self._connection.execute(f"DELETE FROM spans WHERE trace_id IN ({old})")
        self._connection.execute("COMMIT")
