"""Creates files and folders that only the current user may access, whatever the umask.

Permissions are set at creation, so that there is no moment in which other users could open the
file. Windows has no such permissions: there the folder around a file decides, and Python creates
folders private from 3.12.4 on. Nothing else in this module has an effect on Windows.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from assistants_server.default_paths import DEFAULT_FOLDER

FOLDER, FILE = 0o700, 0o600


def make_folder(path: Path) -> None:
    """Create a private folder and its missing parents, or make one private. May raise `OSError`."""
    _make_missing(path)
    tighten_folder(path)


def tighten_folder(path: Path) -> None:
    """Remove other users' permissions on a folder, if it exists and belongs to this user."""
    _tighten(path, stat.S_ISDIR)


def make_database(path: Path) -> None:
    """Create an empty private file for SQLite and its folder, or make an existing file private.

    SQLite copies the file's permissions to its `-wal` and `-shm` files. An existing folder may be
    shared on purpose, so its permissions stay as they are, unless it is the default folder.
    May raise `OSError`.
    """
    _make_missing(path.parent)
    if path.parent == DEFAULT_FOLDER:
        tighten_folder(path.parent)
    # An existing database is not opened: closing it would drop this process's locks on it.
    # See https://www.sqlite.org/howtocorrupt.html, section 2.2.
    try:
        path.touch(FILE, exist_ok=False)
    except FileExistsError:
        for suffix in ("", "-wal", "-shm"):
            _tighten(path.with_name(path.name + suffix), stat.S_ISREG)


def opener(path: str | Path, flags: int) -> int:
    """Create files private when passed to `open(path, "wb", opener=opener)`."""
    return os.open(path, flags, FILE)


def _make_missing(path: Path) -> None:
    # Path.mkdir(parents=True) would create the parents with the permissions of the umask.
    for folder in (*reversed(path.parents), path):
        folder.mkdir(FOLDER, exist_ok=True)


def _tighten(path: Path, is_kind: Callable[[int], bool]) -> None:
    """Remove other users' permissions on `path`, if it is of this kind and belongs to this user."""
    if os.name != "posix":
        return
    # Some file systems, such as FAT, have no permissions to remove.
    with suppress(FileNotFoundError, PermissionError):
        status = path.lstat()  # a link is neither a folder nor a regular file
        if is_kind(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
