"""Tells which servers are running, so that runs of a server that has ended can be cleaned up.

Each server holds a lock on a file beside the database. The operating system releases the lock when
the process ends, however it ends. So if a lock can be acquired, its server has ended.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from assistants_server import private_files
from assistants_server.store.ids import new_id

# Another server that checks a new lock holds it for a moment.
SECONDS_TO_ACQUIRE = 5


class Owner:
    """The lock that this server holds while it has the database open.

    Create it inside a write transaction, so that no other server checks the lock file before it is
    locked.

    Attributes:
        name: the server's name, ``server_`` and 24 letters and digits.
    """

    def __init__(self, database: Path) -> None:
        self.name = new_id("server_")
        self._lock = _lock(database.with_name(f"{database.name}.{self.name}.lock"))
        self._lock.acquire(timeout=SECONDS_TO_ACQUIRE)

    def release(self) -> None:
        self._lock.release(force=True)
        _remove(self._lock.lock_file)


def living(database: Path) -> set[str]:
    """Return the names of the servers that have the database open, and remove stale lock files.

    Call it inside a write transaction, so that no server is starting at the same time.
    """
    # Not Path.glob, because the folder's name may contain wildcards, for example "data [old]".
    lock_name = re.compile(re.escape(database.name) + r"\.(server_[a-zA-Z0-9]{24})\.lock")
    with os.scandir(database.parent) as entries:
        found = [match for entry in entries if (match := lock_name.fullmatch(entry.name))]
    return {match[1] for match in found if _is_held(database.with_name(match[0]))}


def _is_held(path: Path) -> bool:
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # it is held, or belongs to another user
        return True
    lock.release(force=True)
    _remove(path)
    return False


def _lock(path: Path) -> FileLock:
    return FileLock(path, mode=private_files.FILE, thread_local=False)


def _remove(path: str | Path) -> None:
    with suppress(OSError):  # Windows cannot remove a file that another process has open
        Path(path).unlink()
