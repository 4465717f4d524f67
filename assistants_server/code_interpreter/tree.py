"""Measures and removes folders that untrusted code has filled.

Folders are passed as open descriptors, so that code cannot replace them, for example with a link.
Windows does not support this, so there they are paths. Code may nest folders deeper than Python's
recursion limit, and may remove the permissions to read them.
"""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from assistants_server.code_interpreter import sandbox_limits

DESCRIPTORS = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
SAFELY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
BLOCK = 512  # bytes: the unit of st_blocks

Handle = int | Path  # an open folder: a descriptor, or a path on Windows


@dataclass
class Usage:
    """How much a folder holds."""

    bytes: int = 0  # on the disk
    entries: int = 0
    newest: int = 0  # the latest time of change, in nanoseconds
    measured: bool = True  # to the end; it is stopped when a limit is exceeded

    def add(self, more: "Usage") -> None:
        self.bytes += more.bytes
        self.entries += more.entries
        self.newest = max(self.newest, more.newest)
        self.measured = self.measured and more.measured

    def is_too_much(self) -> bool:
        too_large = self.bytes > sandbox_limits.FOLDER_BYTES
        return too_large or self.entries > sandbox_limits.FOLDER_ENTRIES or not self.measured


class Location(TypedDict):
    """The arguments with which functions of `os` name a file in an open folder."""

    path: str | Path
    dir_fd: int | None


def open_folder(path: Path) -> Handle:
    """Open a folder, and restore permissions that code has removed. Close it with `close_folder`.

    Raises `OSError` if it does not exist, or is a link.
    """
    if not DESCRIPTORS:
        return path
    flags = os.O_RDONLY | os.O_DIRECTORY | SAFELY
    try:
        folder = os.open(path, flags)
    except PermissionError:
        _allow(path.parent, path.name)
        folder = os.open(path, flags)
    with contextlib.suppress(OSError):  # it belongs to another user
        if os.fstat(folder).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(folder, stat.S_IRWXU)
    return folder


def close_folder(folder: Handle) -> None:
    if isinstance(folder, int):
        os.close(folder)


def at(folder: Handle, name: str) -> Location:
    """Name a file in a folder, for example in ``os.unlink(**at(folder, "a.txt"))``."""
    if isinstance(folder, int):
        return {"path": name, "dir_fd": folder}
    return {"path": folder / name, "dir_fd": None}


def usage(folder: Handle, depth: int = sandbox_limits.FOLDER_DEPTH) -> Usage:
    """Measure a folder and the folders below it. Stop when a limit is exceeded."""
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
    """Measure a folder. One that does not exist is empty."""
    try:
        folder = open_folder(path)
    except OSError:
        return Usage(measured=not os.path.lexists(path))
    try:
        return usage(folder)
    finally:
        close_folder(folder)


def usage_of(folder: Handle, entry: os.DirEntry, depth: int = sandbox_limits.FOLDER_DEPTH) -> Usage:
    """Measure one entry of a folder, with everything below it."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # it has been removed meanwhile
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


def empty(folder: Handle) -> None:
    """Remove everything in a folder. Call it only when no code uses the folder."""
    while names := os.listdir(folder):
        for name in names:
            # Folders are moved up one level at a time. Recursion would fail at a thousand levels.
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


def discard(folder: Handle, name: str) -> None:
    """Remove one entry of a folder, with everything below it. See `empty`."""
    try:
        os.unlink(**at(folder, name))
    except OSError:
        _allow(folder, name)
        with _opened(folder, name) as inside:
            empty(inside)
        os.rmdir(**at(folder, name))


def remove(path: Path) -> None:
    """Remove a folder with everything in it, if it exists. See `empty`."""
    with contextlib.suppress(OSError):
        folder = open_folder(path)
        try:
            empty(folder)
        finally:
            close_folder(folder)
        path.rmdir()


@contextlib.contextmanager
def _opened(folder: Handle, name: str) -> Iterator[Handle]:
    if isinstance(folder, Path):
        yield folder / name
        return
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | SAFELY, dir_fd=folder)
    try:
        yield inside
    finally:
        os.close(inside)


def _allow(folder: Handle, name: str) -> None:
    """Restore the owner's permissions on a folder, which code may have removed."""
    if stat.S_ISDIR(os.stat(**at(folder, name), follow_symlinks=False).st_mode):
        os.chmod(**at(folder, name), mode=0o700)


def _move(inside: Handle, name: str, folder: Handle) -> None:
    old, new = at(inside, name), at(folder, uuid.uuid4().hex)
    os.rename(old["path"], new["path"], src_dir_fd=old["dir_fd"], dst_dir_fd=new["dir_fd"])
