"""Keeps the runs that are being executed."""

import asyncio

from openai.types.beta.threads import Run
from openai.types.beta.threads.run import LastError

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.engine.execution import Execution
from assistants_server.engine.feed import Feed
from assistants_server.engine.states import end_idle
from assistants_server.engine.upstream import ModelServer, Upstream
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store

SECONDS_BETWEEN_LOOKS = 0.25
ORPHANED = "The server that worked on this run ended before the run did. Create the run again."


class Engine:
    """Executes runs as background tasks of the event loop that it is used from.

    Args:
        store: where runs are read and written.
        upstream: who answers the model turns.
        unsafe_code: whether code may be run without isolation.

    Attributes:
        feed: tells what becomes of the runs that are executed here.
        library: the vector stores.
    """

    def __init__(self, store: Store, upstream: Upstream, unsafe_code: bool = True) -> None:
        self.feed = Feed()
        self._store = store
        self._model = ModelServer(upstream)
        self._interpreter = CodeInterpreter(store, unsafe_code)
        self.library = Library(store)
        self._running: dict[str, tuple[Execution, asyncio.Task]] = {}
        self._watcher: asyncio.Task | None = None

    def adopt_orphans(self) -> None:
        """End the runs that servers which are gone have left behind, and read on where they stopped.

        The runs end as ``failed``.
        """
        error = LastError(code="server_error", message=ORPHANED)
        for run_id in self._store.orphans:
            end_idle(self._store, run_id, "failed", error)
        self.library.resume()

    def start(self, run_id: str) -> None:
        """Begin to execute a queued run, and return at once."""
        execution = Execution(
            self._store, self.feed, self._model, self._interpreter, self.library, run_id
        )
        task = asyncio.create_task(execution.run(), name=run_id)
        self._running[run_id] = execution, task
        task.add_done_callback(self._ended)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())

    def cancel(self, run_id: str) -> None:
        """Stop a run that is marked ``cancelling``, if it is executed here."""
        if run_id in self._running:
            self._running[run_id][1].cancel()

    def cancel_waiting(self, run_id: str) -> None:
        """End a run as ``cancelled`` that nobody executes, because it waited for its client."""
        end_idle(self._store, run_id, "cancelled")

    async def forget(self, thread_id: str) -> None:
        """Let go of what is kept for a thread that has been deleted."""
        await self._interpreter.forget(thread_id)

    async def close(self) -> None:
        """Stop all runs, marking them ``failed``, and close the connections."""
        for execution, task in list(self._running.values()):
            execution.stopping = True
            task.cancel()
        tasks = [task for _, task in self._running.values()]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._watcher is not None:
            self._watcher.cancel()
        await self._interpreter.close()
        await self.library.close()
        await self._model.close()

    def _ended(self, task: asyncio.Task) -> None:
        execution, _ = self._running.pop(task.get_name())
        if task.cancelled():
            execution.never_began()
        self.feed.end(task.get_name())

    async def _watch(self) -> None:
        """Notice when another server on the same file cancels a run that is executed here."""
        while self._running:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            for run_id in list(self._running):
                try:
                    if self._store.get(Run, run_id).status == "cancelling":
                        self.cancel(run_id)
                except NotFound:
                    self.cancel(run_id)
