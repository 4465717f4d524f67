"""Keeps the runs that are being executed."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.engine.execution import Execution
from assistants_server.engine.feed import Feed
from assistants_server.engine.settings import Upstream
from assistants_server.engine.upstream import ModelServer, Tutor
from assistants_server.engine.watchdog import Watchdog
from assistants_server.file_search import Library
from assistants_server.store import Store
from assistants_server.tools import Context

log = logging.getLogger(__name__)


class Engine:
    """Executes runs as background tasks of the event loop that it is used from.

    Args:
        store: where runs are read and written.
        upstream: who answers the model turns.
        unsafe_code: whether code may be run without isolation.
        tutor: answers model turns, if it is not the upstream that does.

    Attributes:
        feed: publishes the events of the runs that are executed here.
        library: the vector stores.
        closing: whether the engine is being closed; a run that is started now fails at once.
    """

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        unsafe_code: bool = True,
        tutor: Tutor | None = None,
    ) -> None:
        self.feed = Feed()
        self.library = Library(store)
        self.closing = False
        self._store = store
        self._model = ModelServer(upstream, tutor)
        self._interpreter = CodeInterpreter(store, unsafe_code)
        self._context = partial(Context, store, self._interpreter, self.library)
        self._executions: dict[str, Execution] = {}
        self._expected: set[str] = set()
        # What other servers left behind: files of vector stores, and kernels and folders.
        sweeps = [self.library.adopt, self._interpreter.sweep]
        self._watchdog = Watchdog(store, self.feed, self._here, self.interrupt, sweeps)

    async def open(self) -> None:
        """End the runs that servers which are gone have left behind, and read on where they stopped.

        From now on this is done whenever a server is gone.
        """
        await self._watchdog.start()
        self.library.resume()

    @contextmanager
    def expecting(self, run_id: str) -> Iterator[None]:
        """Say that a run which is stored will be started, or deleted, in here."""
        self._expected.add(run_id)
        try:
            yield
        finally:
            self._expected.discard(run_id)

    def start(self, run_id: str) -> None:
        """Begin to execute a queued run, and return at once."""
        execution = Execution(self._store, self.feed, self._model, self._context, run_id)
        execution.stopping = self.closing
        self._executions[run_id] = execution
        execution.task.add_done_callback(self._ended)

    def interrupt(self, run_id: str) -> None:
        """Stop a run that is marked ``cancelling``, has ended or is gone, if it is executed here."""
        if run_id in self._executions:
            self._executions[run_id].interrupt()

    async def forget(self, thread_id: str) -> None:
        """Let go of what is kept for a thread that has been deleted."""
        await self._interpreter.forget(thread_id)

    async def close(self) -> None:
        """Stop all runs, marking them ``failed``, and close the connections."""
        self.closing = True
        await self._watchdog.stop()
        while executions := list(self._executions.values()):  # some may just be starting
            for execution in executions:
                execution.stopping = True
                execution.interrupt()
            await asyncio.gather(*(each.task for each in executions), return_exceptions=True)
        await self._interpreter.close()
        await self.library.close()
        await self._model.close()

    def _here(self) -> set[str]:
        return self._executions.keys() | self._expected

    def _ended(self, task: asyncio.Task) -> None:
        run_id = task.get_name()
        if not task.cancelled() and task.exception() is not None:
            log.error("run", exc_info=task.exception(), extra={"fields": {"run": run_id}})
        execution = self._executions.get(run_id)
        if execution is not None and execution.task is task:  # it was not taken up again since
            del self._executions[run_id]
            self.feed.close(run_id, "The server stopped working on this run.")
