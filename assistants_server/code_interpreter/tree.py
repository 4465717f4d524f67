"""Measures and removes folders that untrusted code has filled.

A folder is an open descriptor, so that nobody can put another in its place; on Windows, which cannot
do that, it is a path. Code may nest folders deeper than Python can recurse, and may forbid reading.
"""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistants_server.code_interpreter import sandbox_limits

DESCRIPTORS = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
SAFELY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
BLOCK = 512  # bytes: the unit of st_blocks

Folder = int | Path


@dataclass
class Usage:
    """What lies in a folder.

    Attributes:
        bytes: that it takes on the disk.
        entries: how many files and folders there are.
        newest: when the last of them was changed.
        measured: whether all of it could be measured; it is not tried beyond the limits.
    """

    bytes: int = 0
    entries: int = 0
    newest: int = 0
    measured: bool = True

    def add(self, more: "Usage") -> None:
        self.bytes += more.bytes
        self.entries += more.entries
        self.newest = max(self.newest, more.newest)
        self.measured = self.measured and more.measured

    def is_too_much(self) -> bool:
        too_large = self.bytes > sandbox_limits.FOLDER_BYTES
        return too_large or self.entries > sandbox_limits.FOLDER_ENTRIES or not self.measured


def open_folder(path: Path) -> Folder:
    """Return an open folder, for `close_folder` to close. What code has forbidden there is allowed.

    Raises:
        OSError: there is none, or it is a link.
    """
    if not DESCRIPTORS:
        return path
    flags = os.O_RDONLY | os.O_DIRECTORY | SAFELY
    try:
        folder = os.open(path, flags)
    except PermissionError:
        _allow(path.parent, path.name)
        folder = os.open(path, flags)
    with contextlib.suppress(OSError):  # it is another user's
        if os.fstat(folder).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(folder, stat.S_IRWXU)
    return folder


def close_folder(folder: Folder) -> None:
    if isinstance(folder, int):
        os.close(folder)


def at(folder: Folder, name: str) -> dict[str, Any]:
    """Return the arguments of a function of `os` that name a file in a folder."""
    if isinstance(folder, int):
        return {"path": name, "dir_fd": folder}
    return {"path": folder / name}


def usage(folder: Folder, depth: int = sandbox_limits.FOLDER_DEPTH) -> Usage:
    """Return how much lies in a folder and those below it. Stops when it is too much."""
    total = Usage()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                total.add(usage_of(folder, entry, depth))
                if total.is_too_much():
                    break
    except OSError:
        total.measured = False
    return total


def measure(path: Path) -> Usage:
    """Return how much lies in a folder, or nothing if there is none."""
    try:
        folder = open_folder(path)
    except OSError:
        return Usage(measured=not os.path.lexists(path))
    try:
        return usage(folder)
    finally:
        close_folder(folder)


def usage_of(folder: Folder, entry: os.DirEntry, depth: int = sandbox_limits.FOLDER_DEPTH) -> Usage:
    """Return how much one entry of a folder takes, with all below it."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # it has gone since
        return Usage()
    size = status.st_blocks * BLOCK if hasattr(status, "st_blocks") else status.st_size
    found = Usage(size, 1, status.st_ctime_ns)
    if stat.S_ISDIR(status.st_mode):
        try:
            with _opened(folder, entry.name) as inside:
                found.add(usage(inside, depth - 1) if depth else Usage(measured=False))
        except FileNotFoundError:
            pass
        except OSError:
            found.measured = False
    return found


def shrink(folder: Folder) -> list[str]:
    """Remove the newest entries until the rest is within the limits, and return their names.

    For when no code runs in it any more.
    """
    with os.scandir(folder) as entries:
        found = [(usage_of(folder, entry), entry.name) for entry in entries]
    found.sort(key=lambda pair: (not pair[0].measured, pair[0].newest))
    total = Usage()
    for each, _ in found:
        total.add(each)
    removed = []
    while found and total.is_too_much():
        each, name = found.pop()
        discard(folder, name)
        removed.append(name)
        total.bytes -= each.bytes
        total.entries -= each.entries
        total.measured = all(other.measured for other, _ in found)
    return removed


def empty(folder: Folder) -> None:
    """Remove all that lies in a folder. For when no code runs in it any more."""
    while names := os.listdir(folder):
        for name in names:
            # Folders below move up, one level at a time: recursion would end at a thousand.
            with contextlib.suppress(OSError):
                os.unlink(**at(folder, name))
                continue
            _allow(folder, name)
            with _opened(folder, name) as inside:
                for below in os.listdir(inside):
                    try:
                        os.unlink(**at(inside, below))
                    except OSError:
                        _allow(inside, below)
                        _move(inside, below, folder)
            os.rmdir(**at(folder, name))


def discard(folder: Folder, name: str) -> None:
    """Remove one entry of a folder, with all below it. For when no code runs in it any more."""
    try:
        os.unlink(**at(folder, name))
    except OSError:
        _allow(folder, name)
        with _opened(folder, name) as inside:
            empty(inside)
        os.rmdir(**at(folder, name))


def remove(path: Path) -> None:
    """Remove a folder with all in it, if it is there. For when no code runs in it any more."""
    with contextlib.suppress(OSError):
        folder = open_folder(path)
        try:
            empty(folder)
        finally:
            close_folder(folder)
        path.rmdir()


@contextlib.contextmanager
def _opened(folder: Folder, name: str) -> Iterator[Folder]:
    if isinstance(folder, Path):
        yield folder / name
        return
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | SAFELY, dir_fd=folder)
    try:
        yield inside
    finally:
        os.close(inside)


def _allow(folder: Folder, name: str) -> None:
    """Let the server read and change a folder; code may have forbidden it."""
    if stat.S_ISDIR(os.stat(**at(folder, name), follow_symlinks=False).st_mode):
        os.chmod(**at(folder, name), mode=0o700)


def _move(inside: Folder, name: str, folder: Folder) -> None:
    new = uuid.uuid4().hex
    if isinstance(folder, int):
        os.rename(name, new, src_dir_fd=inside, dst_dir_fd=folder)
    else:
        os.rename(inside / name, folder / new)
