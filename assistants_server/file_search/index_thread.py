"""Runs queries on the index in a thread of its own, so that they do not block the event loop."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from assistants_server.file_search.index import Index

T = TypeVar("T")

SECONDS_FOR_A_LOCK = 60
SECONDS_BETWEEN_TRIES = 0.05


class IndexThread:
    """One connection to the index, made at the first use, and the one thread that uses it.

    There is one to write, one to look up, and one to search: SQLite lets them run at once.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"file_search_{name}")
        self._index: Index | None = None
        self._closing = False

    async def do(self, work: Callable[[Index], T]) -> T:
        """Return ``work(index)``; try again for a minute while it is locked by another process."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + SECONDS_FOR_A_LOCK
        while True:
            try:
                return await loop.run_in_executor(self._thread, self._with_index, work)
            except sqlite3.OperationalError as error:
                late = self._closing or time.monotonic() > deadline
                if late or not _is_lock(error):
                    raise
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    def interrupt(self) -> None:
        """Interrupt the query that runs; its caller gets an error."""
        if self._index is not None:
            self._index.interrupt()

    async def close(self) -> None:
        """Finish what has begun, and close the file. Calling it twice is fine."""
        self._closing = True
        if self._index is not None:
            try:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._index.close)
            except RuntimeError:  # the interpreter is shutting down and has ended the thread
                self._index.close()
            self._index = None
        self._thread.shutdown()

    def _with_index(self, work: Callable[[Index], T]) -> T:
        if self._index is None:
            self._index = Index(self.path)
        return work(self._index)


def _is_lock(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the bits of the extended code
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
