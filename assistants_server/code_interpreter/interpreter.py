"""The kernels of all threads, and the files that go in and come out."""

import asyncio
import contextlib
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from openai.types import FileObject

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


class CodeInterpreter:
    """Runs code, each thread's in a kernel of its own that lasts from call to call.

    Args:
        store: where files are read and written. Each thread's folder lies beside it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folders = store.path.with_name(f"{store.path.name}.threads")
        self._kernels: dict[str, Kernel] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._given: dict[str, set[str]] = {}
        self._written: dict[str, dict[str, str]] = {}
        self._closer: asyncio.Task | None = None

    async def run(self, thread_id: str, code: str, files: list[str]) -> Result:
        """Run `code` in the kernel of a thread.

        Args:
            files: ids of files that shall lie in its folder, under their own names.
        """
        async with self._locks.setdefault(thread_id, asyncio.Lock()):
            folder = self._folders / thread_id
            await asyncio.to_thread(self._give, thread_id, folder, files)
            kernel = self._kernels.setdefault(thread_id, Kernel(folder))
            if self._closer is None or self._closer.done():
                self._closer = asyncio.create_task(self._close_idle())
            before = await asyncio.to_thread(_snapshot, folder)
            output = await kernel.execute(code)
            await asyncio.to_thread(self._take, thread_id, folder, before)
            images = [
                self._keep(f"figure-{number}.png", image)
                for number, image in enumerate(output.images, 1)
            ]
        return Result(output.text, images)

    def written(self, thread_id: str) -> dict[str, str]:
        """Return the files that a thread's code has written: file id by name."""
        return self._written.get(thread_id, {})

    async def close(self) -> None:
        """End all kernels."""
        if self._closer is not None:
            self._closer.cancel()
        kernels, self._kernels = list(self._kernels.values()), {}
        await asyncio.gather(*(kernel.stop() for kernel in kernels), return_exceptions=True)
        shutil.rmtree(self._folders, ignore_errors=True)

    async def forget(self, thread_id: str) -> None:
        """End the kernel of a thread, and remove its folder."""
        kernel = self._kernels.pop(thread_id, None)
        if kernel is not None:
            await kernel.stop()
        shutil.rmtree(self._folders / thread_id, ignore_errors=True)

    def _give(self, thread_id: str, folder: Path, files: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        given = self._given.setdefault(thread_id, set())
        for file_id in files:
            if file_id not in given:
                name = _safe(self._store.get(FileObject, file_id).filename)
                shutil.copyfile(self._store.files / file_id, folder / name)
                (folder / name).chmod(0o644)
                given.add(file_id)

    def _take(self, thread_id: str, folder: Path, before: dict[Path, tuple]) -> None:
        written = self._written.setdefault(thread_id, {})
        for path, state in _snapshot(folder).items():
            if before.get(path) != state and path.stat().st_size <= limits.FILE_BYTES:
                written[path.name] = self._keep(path.name, path)

    def _keep(self, name: str, content: bytes | Path) -> str:
        file_id = new_id("file-")
        target = self._store.files / file_id
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target, follow_symlinks=False)
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
        while self._kernels:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            for thread_id, kernel in list(self._kernels.items()):
                if time.monotonic() - kernel.last_used > limits.IDLE_SECONDS:
                    async with self._locks[thread_id]:
                        del self._kernels[thread_id]
                        await kernel.stop()


def _snapshot(folder: Path) -> dict[Path, tuple]:
    """Return the regular files in a folder that are not hidden, and how to tell a change."""
    states = {}
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                states[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return states


def _safe(name: str) -> str:
    """Return a file's own name, made harmless as a path."""
    name = UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1])[:200]
    return name.lstrip(".") or "file"
