"""The kernel and the folder of one thread, and the files copied into and out of that folder."""

import asyncio
import io
import itertools
import os
import re
from pathlib import Path

from openai.types import FileObject

from assistants_server import contents
from assistants_server.clock import now
from assistants_server.code_interpreter import sandbox, sandbox_limits, tree
from assistants_server.code_interpreter.folder import Folder, Reader, Skipped, State
from assistants_server.code_interpreter.kernel import Kernel
from assistants_server.code_interpreter.output import Output
from assistants_server.interpreter_shutdown import in_thread
from assistants_server.store import NotFound, Store, new_id

MOST_REASONS = 10
LONGEST_NAME = 200  # bytes
UNSAFE = re.compile(r"[^\w.,()+@ -]")


class Workspace:
    """The kernel and the folder of one thread.

    The store may be used on the event loop only, so other threads get paths and copies of objects.
    """

    def __init__(self, store: Store, folder: Path, scratch: Path) -> None:
        self._store = store
        self._folder = folder
        self._uid = sandbox.new_uid()
        self._given: dict[str, str] = {}  # name in the folder, by file id
        self._kept_bytes = 0
        self.kernel = Kernel(folder, scratch, self._uid)
        self.lock = asyncio.Lock()  # to be held during a call
        self.written: dict[str, str] = {}  # the ids of the files that code has written, by name

    async def run(self, code: str, files: list[str]) -> tuple[Output, list[str]]:
        """Copy files into the folder, run `code`, and store the files that it writes.

        Returns the output, and the ids of the files of its figures. Raises `NotFound` if one of the
        files has been deleted.
        """
        notes = await self._copy_in(files)
        before = await asyncio.to_thread(self._states)
        output = await self.kernel.execute(code)
        images, more = await self._keep(output, before)
        output.notes += notes + more
        return output, images

    async def remove(self) -> None:
        await self.kernel.stop()
        await in_thread(tree.remove, self._folder)

    async def _copy_in(self, files: list[str]) -> list[str]:
        """Copy files into the folder that are not there yet. Return notes for the user."""
        notes = []
        for file_id in files:
            filename = self._store.get(FileObject, file_id).filename
            if file_id in self._given:
                continue
            name = _free(_safe(filename), set(self._given.values()))
            try:
                await asyncio.to_thread(self._put, self._store.content(file_id), name)
            except FileNotFoundError:
                raise NotFound("file", file_id) from None
            except Skipped as reason:
                notes.append(f"The file {_shown(filename)} is not in the folder: {reason}.")
                continue
            self._given[file_id] = name
            if name != _last_part(filename):
                notes.append(f"The file {_shown(filename)} is in the folder as {_shown(name)}.")
        return notes

    async def _keep(self, output: Output, before: dict[str, State]) -> tuple[list[str], list[str]]:
        """Store a call's figures and files; return the figures' ids, and notes for the user."""
        images: list[str] = []
        notes: list[str] = []
        most, kept = sandbox_limits.KEPT_BYTES, 0
        found: list[tuple[str, bytes | None]] = [
            (f"figure-{number}.png", png) for number, png in enumerate(output.images, 1)
        ]
        after = await asyncio.to_thread(self._states)
        found += [(name, None) for name in sorted(after) if before.get(name) != after[name]]
        for name, png in found:
            try:
                if png is None and kept == sandbox_limits.KEPT_FILES:
                    raise Skipped(f"one call keeps {sandbox_limits.KEPT_FILES} files")
                if not name.isprintable():
                    raise Skipped("its name is not printable UTF-8")
                file = await self._store_file(name, png, most)
            except Skipped as reason:
                notes.append(f"{_shown(name)} was not kept: {reason}.")
                continue
            most -= file.bytes
            if png is None:
                self.written[name] = file.id
                kept += 1
            else:
                images.append(file.id)
        if len(notes) > MOST_REASONS:
            notes[MOST_REASONS:] = [f"{len(notes) - MOST_REASONS} more files were not kept."]
        return images, notes

    async def _store_file(self, name: str, content: bytes | None, most: int) -> FileObject:
        """Store `content`, or else the file `name` of the folder, as a file of the API.

        Raises `Skipped` if it is not an ordinary file, or exceeds `most` bytes or a limit.
        """
        left = sandbox_limits.THREAD_BYTES - self._kept_bytes
        if left <= 0:
            size = sandbox_limits.THREAD_BYTES // sandbox_limits.MEGABYTE
            raise Skipped(f"the files of this thread take {size} MB, which is the limit")
        most = min(most, sandbox_limits.FILE_BYTES, left)
        file_id = new_id("file-")
        try:
            size = await asyncio.to_thread(self._write, file_id, name, content, most)
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
        self._kept_bytes += size
        return file

    def _write(self, file_id: str, name: str, content: bytes | None, most: int) -> int:
        try:
            if content is not None:
                return contents.write(self._store, file_id, Reader(io.BytesIO(content), most))
            with self._open() as folder, folder.reading(name, most) as file:
                return contents.write(self._store, file_id, file)
        except OSError as error:
            raise Skipped(f"it cannot be kept ({error.strerror})") from None

    def _open(self) -> Folder:
        return Folder(self._folder, self._uid)

    def _states(self) -> dict[str, State]:
        with self._open() as folder:
            return folder.files()

    def _put(self, source: Path, name: str) -> None:
        with self._open() as folder:
            folder.put(source, name)


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _safe(name: str) -> str:
    """Return a name for a file in the folder, for example "a_b.csv" for "/home/me/a:b.csv"."""
    stem, suffix = os.path.splitext(UNSAFE.sub("_", _last_part(name)).lstrip("."))
    suffix = suffix[:20]
    short = stem.encode(errors="replace")[: LONGEST_NAME - len(suffix.encode(errors="replace"))]
    return short.decode(errors="ignore") + suffix or "file"


def _free(name: str, taken: set[str]) -> str:
    """Return `name`, or the first variant that is not taken: data.csv, data-2.csv, data-3.csv ..."""
    taken = {each.casefold() for each in taken}
    stem, suffix = os.path.splitext(name)
    names = (f"{stem}-{number}{suffix}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], names) if each.casefold() not in taken)


def _shown(name: str) -> str:
    """Return a name for use in a message, quoted if it has unprintable characters."""
    return name if name.isprintable() and name else repr(name)
