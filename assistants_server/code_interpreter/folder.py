"""Files that go into the folder of untrusted code, and come out of it.

Whatever stands under a name may be another thing a moment later: a link to a file of the host, a
FIFO, a device. So each file is opened once, without following links and without waiting, and only
its descriptor is looked at and copied. Windows has no way to open like that: links are looked for
just before.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from assistants_server.code_interpreter import sandbox_limits, tree

CHUNK = 1 << 20


class Skipped(Exception):
    """A file was not copied. The message is the reason."""


class State(NamedTuple):
    """What tells one version of a file from the next. Code can set mtime, but not ctime."""

    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int


class Reader:
    """Reads a file that must not become too large."""

    def __init__(self, source: BinaryIO, most: int) -> None:
        self._source, self._most, self._left = source, most, most

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            Skipped: there are too many.
        """
        chunk = self._source.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise Skipped(f"it is larger than the {self._most:,} bytes that are left for it")
        return chunk


class Folder:
    """An open folder. Use it as a context manager, which closes it.

    Args:
        path: the folder; it is made if need be. Its parents are not the code's to change.
        owner: the user id of the code, if that is another than the server's.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, owner: int | None = None) -> None:
        self._owner = owner
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        try:
            self._folder = tree.open_folder(path)
        except OSError:  # code that is not isolated has put something else there
            path.unlink()
            path.mkdir(mode=0o700)
            self._folder = tree.open_folder(path)
        self._give_away(self._folder)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: object) -> None:
        tree.close_folder(self._folder)

    def put(self, source: Path, name: str) -> None:
        """Copy a file of the server's into the folder, in place of whatever stands there.

        Raises:
            FileNotFoundError: there is no `source`.
            Skipped: it could not be put there.
        """
        with open(source, "rb") as content:
            room = sandbox_limits.FOLDER_BYTES - tree.usage(self._folder).bytes
            if os.fstat(content.fileno()).st_size > room:
                most = sandbox_limits.FOLDER_BYTES // sandbox_limits.MEGABYTE
                raise Skipped(f"there is no room for it; the folder may hold {most} MB")
            try:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(**tree.at(self._folder, name))
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | tree.SAFELY
                target = os.open(**tree.at(self._folder, name), flags=flags, mode=0o600)
                with open(target, "wb") as copy:
                    while chunk := content.read(CHUNK):
                        copy.write(chunk)
                    if os.name == "posix":
                        os.fchmod(target, 0o644)
                    self._give_away(target)
            except OSError as error:
                raise Skipped(f"it cannot be written there ({error.strerror})") from None

    @contextlib.contextmanager
    def reading(self, name: str, most: int) -> Iterator["Reader"]:
        """Open a file of the folder, to be read to its end.

        Args:
            most: how many bytes it may have.

        Raises:
            Skipped: it is no ordinary file, is too large, or changes meanwhile. The last two are
                known only while it is read, or at the end.
        """
        with open(self._open(name), "rb", buffering=0) as source:
            before = os.fstat(source.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Skipped("it is not an ordinary file")
            if before.st_nlink != 1:  # it may be a file from elsewhere
                raise Skipped("it has several names, or none any more")
            yield Reader(source, most)
            if _state(os.fstat(source.fileno())) != _state(before):
                raise Skipped("it changed while it was copied")

    def files(self) -> dict[str, State]:
        """Return what lies in the folder by name, but for folders and hidden files."""
        states: dict[str, State] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if len(states) > sandbox_limits.FOLDER_ENTRIES:
                    break
                with contextlib.suppress(OSError):  # it has gone since
                    status = entry.stat(follow_symlinks=False)
                    if not entry.name.startswith(".") and not stat.S_ISDIR(status.st_mode):
                        states[entry.name] = _state(status)
        return states

    def shrink(self) -> list[str]:
        """Remove the newest entries until the rest is within the limits; return their names.

        For when no code runs in the folder any more.
        """
        return tree.shrink(self._folder)

    def _open(self, name: str) -> int:
        try:
            link = stat.S_ISLNK(
                os.stat(**tree.at(self._folder, name), follow_symlinks=False).st_mode
            )
            if link:
                raise Skipped("it is a link")
            return os.open(**tree.at(self._folder, name), flags=os.O_RDONLY | tree.SAFELY)
        except OSError as error:
            raise Skipped(f"it cannot be read ({error.strerror})") from None

    def _give_away(self, descriptor: tree.Folder) -> None:
        if self._owner is not None:
            os.fchown(descriptor, self._owner, self._owner)


def _state(status: os.stat_result) -> State:
    return State(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
