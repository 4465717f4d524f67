"""Runs the code of all threads, each in a kernel of its own."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistants_server.code_interpreter import sandbox, sandbox_limits
from assistants_server.code_interpreter.server_folders import ServerFolders
from assistants_server.interpreter_shutdown import in_thread
from assistants_server.store import Store

if TYPE_CHECKING:
    from assistants_server.code_interpreter.workspace import Workspace

SECONDS_BETWEEN_LOOKS = 30


@dataclass(frozen=True)
class Result:
    """The result of one call."""

    logs: str  # printed output, errors and notes of the server
    images: list[str]  # the ids of the files that hold its figures


class CodeInterpreter:
    """Runs code. Each thread has a kernel of its own, which keeps its variables between calls.

    Where code cannot be isolated it is run only if `unsafe`; else the logs say that it was not run.
    The threads' folders are created beside the store.
    """

    def __init__(self, store: Store, unsafe: bool = True) -> None:
        self._store = store
        self._unsafe = unsafe
        self._folders = ServerFolders(store.path, store.owner)
        self._numbers = itertools.count()
        self._workspaces: dict[str, Workspace] = {}
        self._suspects: set[str] = set()
        self._closer: asyncio.Task | None = None

    async def run(self, thread_id: str, code: str, files: list[str]) -> Result:
        """Run `code`, which can open the files by name. Raises `NotFound` if one is deleted."""
        if not self._unsafe and not await asyncio.to_thread(sandbox.has_bwrap):
            return Result(sandbox.REFUSED, [])
        if thread_id not in self._workspaces:
            made = await asyncio.to_thread(self._workspace, thread_id)
            self._workspaces.setdefault(thread_id, made)
        workspace = self._workspaces[thread_id]
        if self._closer is None or self._closer.done():
            self._closer = asyncio.create_task(self._close_idle())
        async with workspace.lock:
            output, images = await workspace.run(code, files)
        return Result(output.logs(), images)

    def written(self, thread_id: str) -> dict[str, str]:
        """Return the files that a thread's code has written: file id by name."""
        workspace = self._workspaces.get(thread_id)
        return workspace.written if workspace else {}

    async def close(self) -> None:
        """End all kernels of this server and remove their folders."""
        if self._closer is not None:
            self._closer.cancel()
        mine, self._workspaces = list(self._workspaces.values()), {}
        await asyncio.gather(*(workspace.remove() for workspace in mine), return_exceptions=True)
        await in_thread(self._folders.remove, self._store.owner)

    async def forget(self, thread_id: str) -> None:
        """End the kernel of a thread, and remove its folder."""
        workspace = self._workspaces.pop(thread_id, None)
        if workspace is not None:
            await workspace.remove()

    async def sweep(self, alive: set[str]) -> None:
        """Remove the folders of servers that have ended, and the kernels of deleted threads.

        Call it at start and every few seconds, with the servers that have the database open. One
        that is just starting may be missing, so only folders missed in two calls are removed.
        """
        dead = await asyncio.to_thread(self._folders.others) - alive
        for owner in dead & self._suspects:
            await asyncio.to_thread(self._folders.remove, owner)
        self._suspects = dead
        for thread_id in self._store.missing(list(self._workspaces)):
            await self.forget(thread_id)  # another server has deleted the thread

    def _workspace(self, thread_id: str) -> "Workspace":
        # It imports jupyter_client and zmq, which a server that runs no code does without.
        from assistants_server.code_interpreter.workspace import Workspace

        self._folders.make()
        scratch = self._folders.kernels / str(next(self._numbers))
        return Workspace(self._store, self._folders.threads / thread_id, scratch)

    async def _close_idle(self) -> None:
        while self._workspaces:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            for workspace in list(self._workspaces.values()):
                idle = time.monotonic() - workspace.kernel.last_used > sandbox_limits.IDLE_SECONDS
                if idle and not workspace.lock.locked():
                    async with workspace.lock:
                        await workspace.kernel.stop()
