"""A connection to SQLite with nested transactions, short waits and helpful errors."""

import asyncio
import math
import sqlite3
import time
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from assistants_server.store.errors import Busy, StoreError, Unwritable

# How long the event loop may be blocked while another process writes.
LONGEST_BLOCK = 0.03
BETWEEN_TRIES = 0.001
BETWEEN_LOOKS = 0.02
NOT_WRITABLE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)


class Connection:
    """A connection for one thread. Every SQLite error is raised as a `StoreError`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._depth = 0
        connection.execute("PRAGMA busy_timeout = 0")  # `execute` retries instead

    def close(self) -> None:
        self._connection.close()

    def execute(
        self, statement: str, values: tuple = (), seconds: float = LONGEST_BLOCK
    ) -> sqlite3.Cursor:
        """Execute one statement. If another process is writing, retry for `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._connection.execute(statement, values)
            except sqlite3.Error as error:
                described = self._describe(error)
                if not isinstance(described, Busy) or time.monotonic() >= deadline:
                    raise described from error
            time.sleep(BETWEEN_TRIES)

    def rows(self, statement: str, values: tuple = ()) -> Generator[tuple]:
        """Yield the rows of a query. Close the generator if it is not read to the end."""
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._describe(error) from error

    def transaction(self, seconds: float = LONGEST_BLOCK) -> "Transaction":
        """Commit the writes inside together, or none of them if an exception is raised.

        Transactions may be nested; the outermost one commits.

        Raises:
            Busy: another process has been writing for `seconds`.
        """
        return Transaction(self, seconds)

    def writing(self, seconds: float = math.inf) -> AbstractAsyncContextManager[None]:
        """Begin a transaction like `transaction`, but wait without blocking the event loop.

        Do not await inside: other tasks would write into the same transaction.

        Raises:
            Busy: another process has been writing for `seconds`.
        """
        return Transaction(self, seconds)

    def begin(self, seconds: float) -> None:
        """Begin a transaction, or one inside another."""
        if self._depth == 0:
            self.execute("BEGIN IMMEDIATE", seconds=seconds)
        self._depth += 1

    def end(self, keep: bool) -> None:
        """End the transaction, and if it is the outermost one, keep what it wrote or do not."""
        self._depth -= 1
        if self._depth:
            return
        try:
            if keep:
                self.execute("COMMIT")
        finally:
            # SQLite has already rolled back after some errors, for example when the disk is full.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _describe(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Busy(
                f"Another process keeps the database {self._path.name} locked. Nothing was "
                "changed. Try again in a moment; if it lasts, end that process."
            )
        if code in NOT_WRITABLE:
            return Unwritable(
                f"The database {self._path.name} cannot be written ({error}). Nothing was changed. "
                "Make room on its disk, or make it writable, and try again."
            )
        return StoreError(
            f"The database {self._path.name} cannot be used ({error}). Stop the server; move the "
            f"file away, or mend it with: sqlite3 {self._path.name} .recover"
        )


class Transaction:
    """A transaction, begun with `with` or with `async with`. A generator would take longer."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def __enter__(self) -> None:
        self._connection.begin(self._seconds)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._connection.end(keep=kind is None)

    async def __aenter__(self) -> None:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return self._connection.begin(0)
            except Busy:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(BETWEEN_LOOKS)

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._connection.end(keep=kind is None)
