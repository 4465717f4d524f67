"""Reads the files of vector stores in the background."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from openai.types.vector_stores.vector_store_file import LastError

from assistants_server.file_search.extractor_process import ExtractorProcess, Unreadable
from assistants_server.file_search.file_text import pieces
from assistants_server.file_search.index import Index, Unread
from assistants_server.file_search.index_thread import IndexThread
from assistants_server.file_search.rows import AUTO
from assistants_server.interpreter_shutdown import log_failure
from assistants_server.store import Store

log = logging.getLogger(__name__)

READERS = 2  # so that a large file does not delay the others
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_AFTER_TROUBLE = 1
DELETED = LastError(code="invalid_file", message="The file has been deleted.")
TROUBLE = LastError(code="server_error", message="The server had an error; its log says more.")


class Reader:
    """Reads unread files, `READERS` at once, for as long as the server runs.

    Whatever goes wrong is logged, and the reading goes on. Files are claimed in the name of the
    store's owner, so that two servers on the same database never read the same. `tidy` clears
    up what servers that are gone have left.
    """

    def __init__(
        self,
        store: Store,
        writing: IndexThread,
        looking: IndexThread,
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._owner = store.owner
        self._writing = writing
        self._looking = looking
        self._tidy = tidy
        self._untidy = False
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="file_search_reading")
        self._wakers = [asyncio.Event() for _ in range(READERS)]
        self._tasks: list[asyncio.Task] = []
        self._finished = asyncio.Condition()

    def wake(self, *, untidy: bool = False) -> None:
        """Look for files to read. If `untidy`, clear up first what other servers have left."""
        self._untidy = self._untidy or untidy
        for waker in self._wakers:
            waker.set()
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._work(waker), name="file_search") for waker in self._wakers
            ]

    async def finished(self, seconds: float) -> None:
        """Wait until something has been read or given up here, or for so long."""
        try:
            async with asyncio.timeout(seconds), self._finished:
                await self._finished.wait()
        except TimeoutError:
            return

    async def notify(self) -> None:
        """Wake those that wait in `finished`."""
        async with self._finished:
            self._finished.notify_all()

    async def close(self) -> None:
        """Stop reading. Another server, or the next start, reads again what is not finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()

    async def _work(self, waker: asyncio.Event) -> None:
        while True:
            waker.clear()  # before looking, so that what is added meanwhile is seen
            try:
                if not await self._do_something():
                    await waker.wait()
            except Exception:
                log_failure(log, "reading files failed; it goes on")
                await asyncio.sleep(SECONDS_AFTER_TROUBLE)

    async def _do_something(self) -> bool:
        """Tidy up, read a file or remove passages; return whether there was anything to do."""
        if self._untidy:
            self._untidy = False
            try:
                await self._tidy()
            except BaseException:
                self._untidy = True
                raise
            return True
        if not self._writing.path.exists():
            return False
        unread = await self._writing.do(lambda index: index.claim(self._owner))
        if unread is None:
            return await self._writing.do(Index.sweep)
        await self._read(unread)
        await self.notify()
        return True

    async def _read(self, unread: Unread) -> None:
        """Read one file into the index. If even its status cannot be stored, it is read again."""
        try:
            used, error = await self._fill(unread)
            await self._writing.do(lambda index: index.finish(unread.seq, self._owner, used, error))
        except Exception:  # the index was locked for long, for example, or the disk is full
            log_failure(log, "index not written", file=unread.file.id)
            give_back = partial(Index.give_back, seq=unread.seq, owner=self._owner)
            while True:
                await asyncio.sleep(SECONDS_AFTER_TROUBLE)
                with suppress(Exception):
                    return await self._writing.do(give_back)

    async def _fill(self, unread: Unread) -> tuple[int, LastError | None]:
        """Put a file's passages into the index; return their bytes, and why it could not be read."""
        used = number = 0
        try:
            while await self._writing.do(lambda index: index.forget_some(unread.seq)):
                pass  # left by a reading that was interrupted
            async for some in self._pieces(unread):
                write = partial(
                    Index.write, seq=unread.seq, owner=self._owner, first=number, passages=some
                )
                if not await self._writing.do(write):
                    break
                number += len(some)
                used += sum(len(piece.encode()) for piece in some)
        except sqlite3.OperationalError:
            raise
        except Unreadable as error:
            return used, LastError(code=error.code, message=str(error))
        except FileNotFoundError:
            return used, DELETED
        except Exception:
            log_failure(log, "reading failed", file=unread.file.id)
            return used, TROUBLE
        return used, None

    async def _pieces(self, unread: Unread) -> AsyncIterator[list[str]]:
        """Yield the passages of a file, some at a time; stop if it has been deleted."""
        extractor, path = ExtractorProcess(), self._store.content(unread.file.id)
        chosen = unread.file.chunking_strategy
        strategy = chosen.static if chosen and chosen.type == "static" else AUTO.static
        waiting = pieces(path, unread.name, strategy, extractor)
        loop = asyncio.get_running_loop()
        while True:
            taking = loop.run_in_executor(self._threads, next, waiting, None)
            try:
                while not (await asyncio.wait({taking}, timeout=SECONDS_BETWEEN_LOOKS))[0]:
                    wanted = partial(Index.wanted, seq=unread.seq, owner=self._owner)
                    if not await self._looking.do(wanted):
                        extractor.stop()
            except BaseException:
                extractor.stop()
                taking.cancel()  # its result is not needed
                raise
            some = await taking
            if some is None:
                return
            yield some
