"""Copies files into and out of a folder that untrusted code can write.

At any moment code may replace a file, for example by a link to a file of the host, a FIFO or a
device. So each file is opened once, without following links and without blocking, and is then checked
and copied through its descriptor only. Windows cannot do this; there, links are checked for before.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from assistants_server.code_interpreter import sandbox_limits, tree

CHUNK = 1 << 20

State = tuple[int, ...]  # identifies one version of a file


class Skipped(Exception):
    """A file was not copied. The message says why."""


class Reader:
    """Reads at most `most` bytes of a file, which code may make larger meanwhile."""

    def __init__(self, source: BinaryIO, most: int) -> None:
        self._source, self._most, self._left = source, most, most

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, or none at the end; raise `Skipped` if the file is too large."""
        chunk = self._source.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise Skipped(f"it is larger than the {self._most:,} bytes that are left for it")
        return chunk


class Folder:
    """An open folder. Use it as a context manager, which closes it.

    It is created if it does not exist. Code, which runs as the user `owner` if that is not the
    server's, must not be able to change its parents.
    """

    def __init__(self, path: Path, owner: int | None = None) -> None:
        self._owner = owner
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        try:
            self._folder = tree.open_folder(path)
        except OSError:  # code that is not isolated has replaced it
            path.unlink()
            path.mkdir(mode=0o700)
            self._folder = tree.open_folder(path)
        self._change_owner(self._folder)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: object) -> None:
        tree.close_folder(self._folder)

    def put(self, source: Path, name: str) -> None:
        """Copy a file of the server into the folder, replacing a file of that name.

        Raises `FileNotFoundError` if there is none, and `Skipped` if it cannot be copied.
        """
        with open(source, "rb") as content:
            room = sandbox_limits.FOLDER_BYTES - tree.usage(self._folder).bytes
            if os.fstat(content.fileno()).st_size > room:
                most = sandbox_limits.FOLDER_BYTES // sandbox_limits.MEGABYTE
                raise Skipped(f"there is no room for it; the folder may hold {most} MB")
            file = tree.at(self._folder, name)
            try:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(**file)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | tree.SAFELY
                target = os.open(**file, flags=flags, mode=0o600)
                with open(target, "wb") as copy:
                    while chunk := content.read(CHUNK):
                        copy.write(chunk)
                    if os.name == "posix":
                        os.fchmod(target, 0o644)
                    self._change_owner(target)
            except OSError as error:
                raise Skipped(f"it cannot be written there ({error.strerror})") from None

    @contextlib.contextmanager
    def reading(self, name: str, most: int) -> Iterator[Reader]:
        """Open a file of the folder, to be read to its end.

        Raises `Skipped` if it is not an ordinary file; later, too, if it holds more than `most`
        bytes or has changed when the context ends.
        """
        with open(self._open(name), "rb", buffering=0) as source:
            before = os.fstat(source.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Skipped("it is not an ordinary file")
            if before.st_nlink != 1:  # it may be a hard link to a file outside of the folder
                raise Skipped("it has several names, or none any more")
            yield Reader(source, most)
            if _state(os.fstat(source.fileno())) != _state(before):
                raise Skipped("it changed while it was copied")

    def files(self) -> dict[str, State]:
        """Return the files of the folder by name, without hidden files."""
        states: dict[str, State] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if len(states) > sandbox_limits.FOLDER_ENTRIES:
                    break
                with contextlib.suppress(OSError):  # it has been removed meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if not entry.name.startswith(".") and not stat.S_ISDIR(status.st_mode):
                        states[entry.name] = _state(status)
        return states

    def shrink(self) -> list[str]:
        """Remove the newest entries until the rest is within the limits. Return their names.

        Call it only when no code uses the folder.
        """
        with os.scandir(self._folder) as entries:
            found = [(tree.usage_of(self._folder, entry), entry.name) for entry in entries]
        found.sort(key=lambda pair: (not pair[0].measured, pair[0].newest))
        total = tree.Usage()
        for each, _ in found:
            total.add(each)
        removed = []
        while found and total.is_too_much():
            each, name = found.pop()
            tree.discard(self._folder, name)
            removed.append(name)
            total.bytes -= each.bytes
            total.entries -= each.entries
            total.measured = all(other.measured for other, _ in found)
        return removed

    def _open(self, name: str) -> int:
        try:
            file = tree.at(self._folder, name)
            if stat.S_ISLNK(os.stat(**file, follow_symlinks=False).st_mode):
                raise Skipped("it is a link")
            return os.open(**file, flags=os.O_RDONLY | tree.SAFELY)
        except OSError as error:
            raise Skipped(f"it cannot be read ({error.strerror})") from None

    def _change_owner(self, opened: tree.Handle) -> None:
        if self._owner is not None and isinstance(opened, int):
            os.fchown(opened, self._owner, self._owner)


def _state(status: os.stat_result) -> State:
    # Code can set mtime, but not ctime.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
