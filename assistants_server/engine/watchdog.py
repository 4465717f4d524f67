"""Ends the runs that nobody else will end."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from assistants_server.engine.feed import Feed
from assistants_server.engine.states import ACTIVE, End, end_run, failed
from assistants_server.interpreter_shutdown import log_failure
from assistants_server.store import NotFound, Store, Unreadable
from assistants_server.wire import Run

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.25
LOOKS_BETWEEN_SWEEPS = 4
SECONDS_OF_GRACE = 1  # whoever executes a run ends it by itself when it expires
SECONDS_TO_WAIT = 1.0  # for another process that writes; the next look will do
ORPHANED = "The server that worked on this run ended before the run did. Create the run again."
DROPPED = "The server stopped working on this run before its end. Create the run again."

Sweep = Callable[[set[str]], Awaitable[None]]


class Watchdog:
    """Looks at the active runs of the file again and again, in one task.

    It ends what has expired, whoever executes it; what a server that is gone has left behind; and
    what is this server's but is not executed here. It interrupts what was cancelled or deleted.

    Args:
        executing: returns the ids of the runs that are executed here.
        interrupt: stops one of them.
        sweeps: called about every second with the names of the living servers; they take up, or
            take away, what others left.
    """

    def __init__(
        self,
        store: Store,
        feed: Feed,
        executing: Callable[[], Collection[str]],
        interrupt: Callable[[str], None],
        sweeps: Sequence[Sweep],
    ) -> None:
        self._store = store
        self._feed = feed
        self._executing = executing
        self._interrupt = interrupt
        self._sweeps = sweeps
        self._looks = 0
        self._troubles: dict[str, str] = {}
        self._task: asyncio.Task | None = None
        self._sweeping: asyncio.Task | None = None

    async def start(self) -> None:
        """Look once, and then again and again."""
        await self._look()
        self._task = asyncio.create_task(self._watch(), name="watchdog")

    async def stop(self) -> None:
        """Look no more. Calling it twice is fine."""
        tasks = [task for task in (self._task, self._sweeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await self._look()

    async def _look(self) -> None:
        sweeping = self._looks % LOOKS_BETWEEN_SWEEPS == 0
        self._looks += 1
        await self._try("own runs", self._look_after_own)
        await self._try("expired runs", self._end_expired)
        if sweeping:
            await self._try("orphaned runs", self._end_orphans)
            if self._sweeping is None or self._sweeping.done():
                # In a task of its own, since it may take long; the runs shall not wait for it.
                self._sweeping = asyncio.create_task(self._sweep_all(), name="sweeps")

    async def _try(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one part of a look. Its failure is logged once, and keeps nothing else from being done."""
        try:
            await work()
            self._troubles.pop(what, None)
        except Exception as error:
            if self._troubles.get(what) != repr(error):
                self._troubles[what] = repr(error)
                log_failure(log, "watchdog", looking_at=what)

    async def _look_after_own(self) -> None:
        mine = {
            work.run_id: work.status
            for work in self._store.worked_on()
            if work.owner == self._store.owner
        }
        here = self._executing()
        for run_id in here:
            if mine.get(run_id) not in ("queued", "in_progress"):
                self._interrupt(run_id)
        for run_id in mine.keys() - here:
            await self._try(run_id, partial(self._end, run_id, failed(DROPPED)))

    async def _end_expired(self) -> None:
        for run_id in self._store.due(time.time() - SECONDS_OF_GRACE):
            await self._try(run_id, partial(self._end, run_id, End("expired"), whoever=True))
            self._interrupt(run_id)

    async def _end_orphans(self) -> None:
        async with self._store.writing(SECONDS_TO_WAIT):
            alive, worked_on = self._store.living_owners(), self._store.worked_on()
        for work in worked_on:
            if work.owner not in alive:
                await self._try(work.run_id, partial(self._end, work.run_id, failed(ORPHANED)))

    async def _sweep_all(self) -> None:
        for sweep in self._sweeps:
            await self._try(repr(sweep), partial(self._sweep, sweep))

    async def _sweep(self, sweep: Sweep) -> None:
        async with self._store.writing(SECONDS_TO_WAIT):
            alive = self._store.living_owners()
        await sweep(alive)

    async def _end(self, run_id: str, end: End, whoever: bool = False) -> None:
        """End a run that is not executed here, or `whoever` executes it.

        It ends as ``cancelled`` if that was asked for.
        """
        try:
            async with self._store.writing(SECONDS_TO_WAIT):
                if run_id in self._executing() and not whoever:
                    return  # taken up meanwhile
                status = self._store.get(Run, run_id).status
                if status == "cancelling":
                    end = End("cancelled")
                ended = end_run(self._store, run_id, end)
            self._feed.publish_end(ended)
            became: str | None = ended.run.status if status in ACTIVE else None
        except NotFound:  # deleted meanwhile
            became = None
        except Unreadable as error:
            async with self._store.writing(SECONDS_TO_WAIT):
                self._store.done(run_id)
            became = f"unreadable: {error}"
        if became:
            log.warning("run left behind", extra={"fields": {"run": run_id, "became": became}})
        if run_id not in self._executing():
            self._feed.close(run_id, "The run was deleted, or cannot be read.")
