"""Makes files and folders that no other user of this machine may read, whatever the umask.

Each is made with its rights at once, so there is no moment when others could open it. On Windows
files have no such rights: there the folder around them decides, which Python makes private from
3.12.4 on. The rest of this module does nothing there.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from assistants_server.places import DEFAULT_FOLDER

FOLDER, FILE = 0o700, 0o600


def make_folder(path: Path) -> None:
    """Make a folder of ours and whatever is missing above it; one that is there is tightened.

    Raises:
        OSError: it cannot be made.
    """
    _make_missing(path)
    tighten_folder(path)


def tighten_folder(path: Path) -> None:
    """Let nobody else into a folder of ours, if it is there."""
    _tighten(path, stat.S_ISDIR)


def make_database(path: Path) -> None:
    """Make an empty file for SQLite, and its folder if need be; one that is there is tightened.

    SQLite gives its `-wal` and `-shm` the rights of the file itself. The folder may be the user's
    own and shared, so one that is there is left as it is, unless it is the default one.

    Raises:
        OSError: it cannot be made.
    """
    _make_missing(path.parent)
    if path.parent == DEFAULT_FOLDER:
        tighten_folder(path.parent)
    # Not opened if it is there: closing it again would let go of SQLite's locks in this process.
    try:
        path.touch(FILE, exist_ok=False)
    except FileExistsError:
        for suffix in ("", "-wal", "-shm"):
            _tighten(path.with_name(path.name + suffix), stat.S_ISREG)


def opener(path: str | Path, flags: int) -> int:
    """Open a file for `open(path, "wb", opener=opener)`, so that a new one is for this user only.

    Raises:
        OSError: it cannot be opened.
    """
    return os.open(path, flags, FILE)


def _make_missing(path: Path) -> None:
    # Path.mkdir(parents=True) would give the folders above whatever rights the umask leaves.
    try:
        path.mkdir(FOLDER, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:
            raise
        _make_missing(path.parent)
        path.mkdir(FOLDER, exist_ok=True)


def _tighten(path: Path, is_kind: Callable[[int], bool]) -> None:
    """Take from others what they may do with `path`, if it is of this kind and this user's."""
    if os.name != "posix":
        return
    # Some file systems, such as FAT, have no rights to take away.
    with suppress(FileNotFoundError, PermissionError):
        status = path.lstat()  # a link is of neither kind
        if is_kind(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
