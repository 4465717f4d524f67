"""The kernels of all threads, and the files that go in and come out."""

import asyncio
import io
import itertools
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from openai.types import FileObject

from assistants_server import contents
from assistants_server.clock import now
from assistants_server.code_interpreter import sandbox, sandbox_limits, tree
from assistants_server.code_interpreter.folder import Folder, Reader, Skipped, State
from assistants_server.code_interpreter.kernel import Kernel
from assistants_server.code_interpreter.last import in_thread
from assistants_server.code_interpreter.leftovers import Places
from assistants_server.code_interpreter.output import Output
from assistants_server.store import NotFound, Store, new_id

SECONDS_BETWEEN_LOOKS = 30
MOST_REASONS = 10
LONGEST_NAME = 200  # bytes
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

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.uid = sandbox.new_uid()
        self.kernel = Kernel(folder, scratch, self.uid)
        self.lock = asyncio.Lock()
        self.given: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self.kept_bytes = 0

    async def remove(self) -> None:
        await self.kernel.stop()
        await in_thread(tree.remove, self.folder)


class CodeInterpreter:
    """Runs code, each thread's in a kernel of its own that lasts from call to call.

    Args:
        store: where files are read and written. Each thread's folder lies beside it.
        unsafe: whether code may be run without isolation; if not, each call says so in its logs.
    """

    def __init__(self, store: Store, unsafe: bool = True) -> None:
        self._store = store
        self._unsafe = unsafe
        self._places = Places(store.path, store.owner)
        self._numbers = itertools.count()
        self._workspaces: dict[str, _Workspace] = {}
        self._suspects: set[str] = set()
        self._closer: asyncio.Task | None = None

    async def run(self, thread_id: str, code: str, files: list[str]) -> Result:
        """Run `code` in the kernel of a thread.

        Args:
            files: ids of files that shall lie in its folder, under their own names.

        Raises:
            NotFound: one of the files has been deleted.
        """
        if not self._unsafe and not await asyncio.to_thread(sandbox.has_bwrap):
            return Result(sandbox.REFUSED, [])
        if thread_id not in self._workspaces:
            await asyncio.to_thread(self._places.make)
            scratch = self._places.kernels / str(next(self._numbers))
            workspace = _Workspace(self._places.threads / thread_id, scratch)
            self._workspaces.setdefault(thread_id, workspace)
        workspace = self._workspaces[thread_id]
        if self._closer is None or self._closer.done():
            self._closer = asyncio.create_task(self._close_idle())
        async with workspace.lock:
            notes = await self._give(workspace, files)
            before = await asyncio.to_thread(_files, workspace)
            output = await workspace.kernel.execute(code)
            images, more = await self._keep(workspace, output, before)
        output.notes += notes + more
        return Result(output.logs(), images)

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
        await in_thread(self._places.remove_own)

    async def forget(self, thread_id: str) -> None:
        """End the kernel of a thread, and remove its folder."""
        workspace = self._workspaces.pop(thread_id, None)
        if workspace is not None:
            await workspace.remove()

    async def sweep(self, alive: set[str]) -> None:
        """Remove what servers that are gone have left, and the kernels of deleted threads.

        To be called at start and every few seconds. A server that is just arriving may be missing
        in `alive`; so only what was found dead twice is removed.

        Args:
            alive: the names of the servers that have the database open.
        """
        dead = await asyncio.to_thread(self._places.others) - alive
        for owner in dead & self._suspects:
            await asyncio.to_thread(self._places.remove, owner)
        self._suspects = dead
        for thread_id in self._store.missing(list(self._workspaces)):
            await self.forget(thread_id)  # another server has deleted it

    # The store is for the event loop only; what goes to another thread are plain copies.

    async def _give(self, workspace: _Workspace, files: list[str]) -> list[str]:
        """Put files into a thread's folder that are not there yet; return what is to be told."""
        notes = []
        for file_id in files:
            filename = self._store.get(FileObject, file_id).filename
            if file_id in workspace.given:
                continue
            name = _free(_safe(filename), set(workspace.given.values()))
            try:
                await asyncio.to_thread(_put, workspace, self._store.content(file_id), name)
            except FileNotFoundError:
                raise NotFound("file", file_id) from None
            except Skipped as reason:
                notes.append(f"The file {_shown(filename)} is not in the folder: {reason}.")
                continue
            workspace.given[file_id] = name
            if name != filename.replace("\\", "/").rsplit("/", 1)[-1]:
                notes.append(f"The file {_shown(filename)} is in the folder as {_shown(name)}.")
        return notes

    async def _keep(
        self, workspace: _Workspace, output: Output, before: dict[str, State]
    ) -> tuple[list[str], list[str]]:
        """Make files of the API of a call's figures and of the files that it wrote.

        Returns:
            The ids of the figures, and what is to be told.
        """
        images, notes, most = [], [], sandbox_limits.KEPT_BYTES
        for number, png in enumerate(output.images, 1):
            name = f"figure-{number}.png"
            try:
                file = await self._store_file(workspace, name, png, most)
            except Skipped as reason:
                notes.append(f"{name} was not kept: {reason}.")
            else:
                images.append(file.id)
                most -= file.bytes
        after = await asyncio.to_thread(_files, workspace)
        changed = sorted(name for name, state in after.items() if before.get(name) != state)
        kept = 0
        for name in changed:
            try:
                if kept == sandbox_limits.KEPT_FILES:
                    raise Skipped(f"one call keeps {sandbox_limits.KEPT_FILES} files")
                if not name.isprintable():
                    raise Skipped("its name is not printable UTF-8")
                file = await self._store_file(workspace, name, None, most)
            except Skipped as reason:
                notes.append(f"{_shown(name)} was not kept: {reason}.")
            else:
                workspace.written[name] = file.id
                most -= file.bytes
                kept += 1
        if len(notes) > MOST_REASONS:
            notes[MOST_REASONS:] = [f"{len(notes) - MOST_REASONS} more files were not kept."]
        return images, notes

    async def _store_file(
        self, workspace: _Workspace, name: str, content: bytes | None, most: int
    ) -> FileObject:
        """Make a file of `content`, or of the file of that name in a thread's folder.

        Raises:
            Skipped: it is no ordinary file, or there is no room for it.
        """
        if workspace.kept_bytes >= sandbox_limits.THREAD_BYTES:
            size = sandbox_limits.THREAD_BYTES // sandbox_limits.MEGABYTE
            raise Skipped(f"the files of this thread take {size} MB, which is the limit")
        most = min(
            most, sandbox_limits.FILE_BYTES, sandbox_limits.THREAD_BYTES - workspace.kept_bytes
        )
        file_id = new_id("file-")
        try:
            size = await asyncio.to_thread(self._write, workspace, file_id, name, content, most)
        except BaseException:
            contents.drop(self._store, file_id)
            raise
        file = FileObject(
            id=file_id,
            object="file",
            bytes=size,
            created_at=now(),
            filename=name,
            purpose="assistants_output",
            status="processed",
        )
        await contents.keep(self._store, file)
        workspace.kept_bytes += size
        return file

    def _write(
        self, workspace: _Workspace, file_id: str, name: str, content: bytes | None, most: int
    ) -> int:
        try:
            if content is not None:
                return contents.write(self._store, file_id, Reader(io.BytesIO(content), most))
            with (
                Folder(workspace.folder, workspace.uid) as folder,
                folder.reading(name, most) as it,
            ):
                return contents.write(self._store, file_id, it)
        except OSError as error:
            raise Skipped(f"it cannot be kept ({error.strerror})") from None

    async def _close_idle(self) -> None:
        while self._workspaces:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            for workspace in list(self._workspaces.values()):
                idle = time.monotonic() - workspace.kernel.last_used > sandbox_limits.IDLE_SECONDS
                if idle and not workspace.lock.locked():
                    async with workspace.lock:
                        await workspace.kernel.stop()


def _files(workspace: _Workspace) -> dict[str, State]:
    with Folder(workspace.folder, workspace.uid) as folder:
        return folder.files()


def _put(workspace: _Workspace, source: Path, name: str) -> None:
    with Folder(workspace.folder, workspace.uid) as folder:
        folder.put(source, name)


def _safe(name: str) -> str:
    """Return a file's own name, made harmless as a path."""
    name = UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    stem, suffix = os.path.splitext(name)
    suffix = suffix[:20]
    stem = stem.encode(errors="replace")[: LONGEST_NAME - len(suffix.encode(errors="replace"))]
    return stem.decode(errors="ignore") + suffix or "file"


def _free(name: str, taken: set[str]) -> str:
    """Return `name`, or the next one like it that no other file has: data.csv, data-2.csv ..."""
    taken = {each.casefold() for each in taken}
    stem, suffix = os.path.splitext(name)
    names = (f"{stem}-{number}{suffix}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], names) if each.casefold() not in taken)


def _shown(name: str) -> str:
    """Return a name as it can stand in a text."""
    return name if name.isprintable() and name else repr(name)
