"""Creates the folders of one server's kernels, and removes those of servers that have ended.

Each server has two, named after it: one beside the database for its threads, and one in the system's
temporary folder for what the kernels need, because the path of a Unix socket must be short.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from assistants_server import private_files
from assistants_server.code_interpreter import processes, sandbox, tree


class ServerFolders:
    """The two folders of the server `owner`, and those that other servers have left behind."""

    def __init__(self, database: Path, owner: str) -> None:
        self._owner = owner
        self._all_threads = database.with_name(f"{database.name}.threads")
        private_files.tighten_folder(self._all_threads)
        self._temporary = Path(tempfile.gettempdir())
        self._prefix = f"kernels-{hashlib.sha256(os.fsencode(database)).hexdigest()[:8]}-"
        self.threads = self._all_threads / owner
        self.kernels = self._kernels_of(owner)

    def make(self) -> None:
        """Create both folders, accessible to this user only."""
        for folder in (self._all_threads, self.threads, self.kernels):
            private_files.make_folder(folder)

    def others(self) -> set[str]:
        """Return the names of the other servers that have a folder."""
        names = set(_names(self._all_threads, "", any_user=True))
        names.update(f"server_{name}" for name in _names(self._temporary, self._prefix))
        return names - {self._owner}

    def remove(self, owner: str) -> None:
        """End the remaining processes of a server's kernels, and remove its folders."""
        kernels = self._kernels_of(owner)
        if not sandbox.has_bwrap():  # bwrap ends the processes itself
            processes.end_marked(kernels)
        tree.remove(kernels)
        tree.remove(self._all_threads / owner)
        with contextlib.suppress(OSError):  # it is not empty
            self._all_threads.rmdir()

    def _kernels_of(self, owner: str) -> Path:
        return self._temporary / (self._prefix + owner.removeprefix("server_"))


def _names(folder: Path, prefix: str, any_user: bool = False) -> list[str]:
    """Return the names, without `prefix`, of the folders within `folder`: this user's, or any."""
    names = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    mine = any_user or os.name != "posix" or status.st_uid == os.getuid()
                    if mine and stat.S_ISDIR(status.st_mode):
                        names.append(entry.name.removeprefix(prefix))
    return names
