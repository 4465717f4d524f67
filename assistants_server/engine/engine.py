"""Keeps the runs that are being executed."""

import asyncio
import logging
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
        # What other servers left behind: files of vector stores, and kernels and folders.
        sweeps = [self.library.adopt, self._interpreter.sweep]
        here = self._executions.keys
        self._watchdog = Watchdog(store, self.feed, here, self.interrupt, sweeps)

    async def open(self) -> None:
        """End the runs that dead servers left, and go on reading the files that they had begun.

        From now on this is done whenever a server is gone.
        """
        await self._watchdog.start()
        self.library.resume()

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

    def _ended(self, task: asyncio.Task) -> None:
        run_id = task.get_name()
        if not task.cancelled() and task.exception() is not None:
            log.error("run", exc_info=task.exception(), extra={"fields": {"run": run_id}})
        execution = self._executions.get(run_id)
        if execution is not None and execution.task is task:  # it was not taken up again since
            del self._executions[run_id]
            self.feed.close(run_id, "The server stopped working on this run.")
