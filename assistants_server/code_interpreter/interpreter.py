"""The kernels of all threads, and the files that go in and come out."""

import asyncio
import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from openai.types import FileObject

from assistants_server import private
from assistants_server.clock import now
from assistants_server.code_interpreter import limits
from assistants_server.code_interpreter.kernel import Kernel
from assistants_server.store import Store, new_id

SECONDS_BETWEEN_LOOKS = 30
UNSAFE = re.compile(r"[^\w.,()+@ -]")


@dataclass(frozen=True)
class Result:
    """What came of one call.

    Attributes:
        logs: what it printed, and what went wrong.
        images: ids of the files that hold its figures.
    """

    logs: str
    images: list[str]


class _Workspace:
    """What belongs to one thread: its kernel, its folder, and the files that went in and out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernel = Kernel(folder)
        self.lock = asyncio.Lock()
        self.given: set[str] = set()
        self.written: dict[str, str] = {}

    async def remove(self) -> None:
        await self.kernel.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class CodeInterpreter:
    """Runs code, each thread's in a kernel of its own that lasts from call to call.

    Args:
        store: where files are read and written. Each thread's folder lies beside it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folders = store.path.with_name(f"{store.path.name}.threads")
        private.tighten_folder(self._folders)
        self._workspaces: dict[str, _Workspace] = {}
        self._closer: asyncio.Task | None = None

    async def run(self, thread_id: str, code: str, files: list[str]) -> Result:
        """Run `code` in the kernel of a thread.

        Args:
            files: ids of files that shall lie in its folder, under their own names.
        """
        if thread_id not in self._workspaces:
            self._workspaces[thread_id] = _Workspace(self._folders / thread_id)
        workspace = self._workspaces[thread_id]
        if self._closer is None or self._closer.done():
            self._closer = asyncio.create_task(self._close_idle())
        async with workspace.lock:
            await self._give(workspace, files)
            before = await asyncio.to_thread(_snapshot, workspace.folder)
            output = await workspace.kernel.execute(code)
            after = await asyncio.to_thread(_snapshot, workspace.folder)
            for path in [path for path in after if before.get(path) != after[path]]:
                workspace.written[path.name] = await self._keep(path.name, path)
            images = [
                await self._keep(f"figure-{number}.png", image)
                for number, image in enumerate(output.images, 1)
            ]
        return Result(output.text, images)

    def written(self, thread_id: str) -> dict[str, str]:
        """Return the files that a thread's code has written: file id by name."""
        workspace = self._workspaces.get(thread_id)
        return workspace.written if workspace else {}

    async def close(self) -> None:
        """End all kernels and remove their folders; those of other servers are left alone."""
        if self._closer is not None:
            self._closer.cancel()
        mine, self._workspaces = list(self._workspaces.values()), {}
        await asyncio.gather(*(workspace.remove() for workspace in mine), return_exceptions=True)

    async def forget(self, thread_id: str) -> None:
        """End the kernel of a thread, and remove its folder."""
        workspace = self._workspaces.pop(thread_id, None)
        if workspace is not None:
            await workspace.remove()
        shutil.rmtree(self._folders / thread_id, ignore_errors=True)  # another server's, perhaps

    # The store is for the event loop only; what goes to another thread are plain copies.

    async def _give(self, workspace: _Workspace, files: list[str]) -> None:
        private.make_folder(workspace.folder)
        for file_id in files:
            if file_id not in workspace.given:
                name = _safe(self._store.get(FileObject, file_id).filename)
                target = workspace.folder / name
                await asyncio.to_thread(shutil.copyfile, self._store.content(file_id), target)
                target.chmod(0o644)
                workspace.given.add(file_id)

    async def _keep(self, name: str, content: bytes | Path) -> str:
        file_id = new_id("file-")
        target = self._store.content(file_id)
        private.make_folder(target.parent)
        target.touch(private.FILE, exist_ok=False)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            await asyncio.to_thread(shutil.copyfile, content, target, follow_symlinks=False)
        file = FileObject(
            id=file_id,
            object="file",
            bytes=target.stat().st_size,
            created_at=now(),
            filename=name,
            purpose="assistants_output",
            status="processed",
        )
        self._store.insert(file)
        return file_id

    async def _close_idle(self) -> None:
        while self._workspaces:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            for workspace in list(self._workspaces.values()):
                idle = time.monotonic() - workspace.kernel.last_used > limits.IDLE_SECONDS
                if idle and not workspace.lock.locked():
                    async with workspace.lock:
                        await workspace.kernel.stop()


def _snapshot(folder: Path) -> dict[Path, tuple]:
    """Return the regular files in a folder that are not hidden or too large, and their state."""
    states = {}
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            regular = path.is_file() and not path.is_symlink() and not path.name.startswith(".")
            if regular and status.st_size <= limits.FILE_BYTES:
                states[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return states


def _safe(name: str) -> str:
    """Return a file's own name, made harmless as a path."""
    name = UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1])[:200]
    return name.lstrip(".") or "file"
