"""Which server a run belongs to, and whether that server still lives.

Each server holds a lock file beside the database. The operating system lets go of it however the
process ends, so a lock that can be taken means its server is gone.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from assistants_server import private


class Owner:
    """A lock held for as long as this server has the database open."""

    def __init__(self, database: Path, name: str) -> None:
        self.name = name
        path = _lock_path(database, name)
        self._lock = FileLock(path, mode=private.FILE, thread_local=False)
        self._lock.acquire(timeout=0)

    def release(self) -> None:
        self._lock.release(force=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)


def living(database: Path) -> set[str]:
    """Return the names of the servers that have the database open, removing what others left.

    Call it inside a write transaction, so that no server is just now arriving.
    """
    alive = set()
    for path in database.parent.glob(f"{database.name}.*.lock"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            alive.add(path.name.removeprefix(f"{database.name}.").removesuffix(".lock"))
        else:
            lock.release(force=True)
            path.unlink(missing_ok=True)
    return alive


def _lock_path(database: Path, name: str) -> Path:
    return database.with_name(f"{database.name}.{name}.lock")
