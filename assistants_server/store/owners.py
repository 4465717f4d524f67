"""Which server a run belongs to, and whether that server still lives.

Each server holds a lock file beside the database. The operating system lets go of it however the
process ends, so a lock that can be taken means its server is gone.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from assistants_server import private
from assistants_server.store.ids import new_id

# Whoever looks at a new lock holds it for a moment.
SECONDS_TO_ARRIVE = 5


class Owner:
    """A lock held for as long as this server has the database open.

    Make it inside a write transaction, so that nobody takes the new lock for one left behind.

    Attributes:
        name: of the server, for example ``server_`` and 24 letters and digits.
    """

    def __init__(self, database: Path) -> None:
        self.name = new_id("server_")
        self._lock = _lock(database.with_name(f"{database.name}.{self.name}.lock"))
        self._lock.acquire(timeout=SECONDS_TO_ARRIVE)

    def release(self) -> None:
        self._lock.release(force=True)
        _remove(self._lock.lock_file)


def living(database: Path) -> set[str]:
    """Return the names of the servers that have the database open, removing what others left.

    Call it inside a write transaction, so that no server is just now arriving.
    """
    # Not glob: the folder's own name may be a pattern, for example "data [old]".
    its_own = re.compile(re.escape(database.name) + r"\.(server_[a-zA-Z0-9]{24})\.lock")
    with os.scandir(database.parent) as entries:
        found = [match for entry in entries if (match := its_own.fullmatch(entry.name))]
    return {match[1] for match in found if _is_held(database.with_name(match[0]))}


def _is_held(path: Path) -> bool:
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # held, or another user's
        return True
    lock.release(force=True)
    _remove(path)
    return False


def _lock(path: Path) -> FileLock:
    return FileLock(path, mode=private.FILE, thread_local=False)


def _remove(path: str | Path) -> None:
    with suppress(OSError):  # Windows keeps a file that another process has open
        Path(path).unlink()
