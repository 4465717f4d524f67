"""Keeps spans and prints in a SQLite file of their own, and what AgentOps is still to get."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from assistants_server import private_files
from helpers.tracing.spans import Span

MEGABYTE = 1024 * 1024
MOST_TRACES = 200
MOST_SPAN_BYTES = 4 * MEGABYTE
MOST_BYTES = 256 * MEGABYTE  # of the file; beyond that what came first goes first
MOST_UNSENT, MOST_UNSENT_BYTES = 1000, 64 * MEGABYTE  # of the outbox, likewise
ADDS_BETWEEN_COUNTS = 50
SECONDS_TO_WAIT = 5  # for another program that writes
SECONDS_TO_SEND = 60  # who has taken something out of the outbox and is silent so long has died

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 16777216;
CREATE TABLE IF NOT EXISTS spans (
    span_id  TEXT PRIMARY KEY,
    trace_id TEXT NOT NULL,
    start    INTEGER NOT NULL,
    body     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS spans_by_trace ON spans (trace_id, start);
CREATE TABLE IF NOT EXISTS logs (trace_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    id       INTEGER PRIMARY KEY,
    service  TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    body     BLOB NOT NULL,
    taken    REAL NOT NULL DEFAULT 0
);
"""
BYTES = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""


@dataclass(frozen=True)
class Unsent:
    """A request that a service is still to get."""

    id: int
    trace_id: str  # of the trace whose prints the body holds; empty if it holds spans
    body: bytes


class Storage:
    """The traces of all programs that use this file; the oldest are forgotten.

    May be used by several threads and several processes, also forked ones. Each method may raise
    `sqlite3.Error`; what was to be added is not there then, and nobody is locked out.
    """

    def __init__(self, path: Path) -> None:
        private_files.make_database(path)
        self._path, self._adds = path, 0
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        with self._transaction() as connection:
            self._forget(connection)
        if hasattr(os, "register_at_fork"):
            release = self._lock.release
            os.register_at_fork(
                before=self._before_fork, after_in_parent=release, after_in_child=release
            )

    def add(self, spans: Sequence[Span], service: str = "", requests: Sequence[bytes] = ()) -> None:
        """Keep spans, and the requests that a service is to get for them.

        A span that is there already is replaced. Of one that is too large the frame is kept.
        """
        rows = [(each.span_id, each.trace_id, each.start, _json(each)) for each in spans]
        waiting = [(service, "", body) for body in requests]
        self._add("INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)", rows, waiting)

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, by their start."""
        return self._spans("WHERE trace_id = ? ORDER BY start, rowid", trace_id)

    def everything(self) -> list[Span]:
        """Return the spans of all traces, by their start."""
        return self._spans("ORDER BY start")

    def add_log(
        self, trace_id: str, body: str, service: str = "", requests: Sequence[bytes] = ()
    ) -> None:
        """Keep what was printed during a trace, lone surrogates as `?`, and the requests for it."""
        row = (trace_id, body.encode(errors="replace").decode())
        waiting = [(service, trace_id, request) for request in requests]
        self._add("INSERT INTO logs VALUES (?, ?)", [row], waiting)

    def log(self, trace_id: str) -> str:
        """Return what was printed during a trace, as far as it was to be kept."""
        query = "SELECT body FROM logs WHERE trace_id = ? ORDER BY rowid"
        return "".join(body for (body,) in self._execute(query, trace_id))

    def take(self, service: str) -> Unsent | None:
        """Return the oldest request for a service that nobody else is sending, or None."""
        now = time.time()
        rows = self._execute(
            "UPDATE outbox SET taken = ? WHERE id = (SELECT MIN(id) FROM outbox "
            "WHERE service = ? AND taken NOT BETWEEN ? AND ?) RETURNING id, trace_id, body",
            *(now, service, now - SECONDS_TO_SEND, now),
        )
        return Unsent(*rows[0]) if rows else None

    def put_back(self, unsent: Unsent) -> None:
        """Let a request that was taken be taken again."""
        self._execute("UPDATE outbox SET taken = 0 WHERE id = ?", unsent.id)

    def remove(self, unsent: Unsent) -> None:
        """Forget a request that has arrived, or never will."""
        self._execute("DELETE FROM outbox WHERE id = ?", unsent.id)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        """Return the connection, opened if need be. The caller has the lock."""
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False
            )
            connection.executescript(SCHEMA)
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _before_fork(self) -> None:
        # A connection that is open in a child too corrupts the file; each opens its own afterwards.
        self._lock.acquire()
        self._close()

    def _spans(self, which: str, *values: str) -> list[Span]:
        rows = self._execute(f"SELECT body FROM spans {which}", *values)
        return [Span(**json.loads(body)) for (body,) in rows]

    def _execute(self, statement: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._open().execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back whatever went wrong
                yield connection

    def _add(self, insert: str, rows: list[tuple], waiting: list[tuple]) -> None:
        with self._transaction() as connection:
            connection.executemany(insert, rows)
            if waiting:
                post = "INSERT INTO outbox (service, trace_id, body) VALUES (?, ?, ?)"
                connection.executemany(post, waiting)
                connection.execute(
                    "DELETE FROM outbox WHERE id IN (SELECT id FROM (SELECT id, COUNT(*) OVER "
                    "newer AS count, SUM(LENGTH(body)) OVER newer AS bytes FROM outbox "
                    "WINDOW newer AS (ORDER BY id DESC)) WHERE count > ? OR bytes > ?)",
                    (MOST_UNSENT, MOST_UNSENT_BYTES),
                )
            self._adds += 1
            if self._adds % ADDS_BETWEEN_COUNTS == 0:
                self._forget(connection)
            deleted = 1
            while deleted and connection.execute(BYTES).fetchone()[0] > MOST_BYTES:
                deleted = sum(
                    connection.execute(
                        f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} "
                        f"ORDER BY rowid LIMIT (SELECT COUNT(*) / 10 + 1 FROM {table}))"
                    ).rowcount
                    for table in ("spans", "logs")
                )

    def _forget(self, connection: sqlite3.Connection) -> None:
        """Delete all traces but those that grew last; and old prints that belong to none."""
        old = (
            "SELECT trace_id FROM spans GROUP BY trace_id ORDER BY MAX(rowid) DESC "
            f"LIMIT -1 OFFSET {MOST_TRACES}"
        )
        for table in ("logs", "spans"):
            connection.execute(f"DELETE FROM {table} WHERE trace_id IN ({old})")
        # Prints may be there before the spans of their trace.
        connection.execute(
            "DELETE FROM logs WHERE trace_id NOT IN (SELECT trace_id FROM spans) AND rowid NOT IN "
            f"(SELECT rowid FROM logs ORDER BY rowid DESC LIMIT {MOST_TRACES})"
        )


def _json(span: Span) -> str:
    body = json.dumps(vars(span))
    if len(body) <= MOST_SPAN_BYTES:
        return body
    message = f"Its contents are not kept: more than {MOST_SPAN_BYTES // MEGABYTE} MB."
    name = span.name[:200]
    frame = replace(span, name=name, message=message, attributes={}, events=[], resource={})
    return json.dumps(vars(frame))
