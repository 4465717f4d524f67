"""What stands between a model's code and this machine.

Always: another process in its own folder, a bare environment, and limits (limits.py). Where the
program ``bwrap`` works: no network, no other processes in sight, and of the disk only the system's
and Python's folders, read-only.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from assistants_server.code_interpreter import limits

LAUNCHER = Path(__file__).with_name("launcher.py")
DATA = "/mnt/data"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/fonts")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/group")
FIRST_UID, UIDS = 60_000, 5_000

_counter = itertools.count(os.getpid())


@dataclass(frozen=True)
class Isolation:
    """Which protections are in force for the code interpreter on this machine."""

    own_process: bool
    bare_environment: bool
    wall_time: bool
    cpu_memory_and_file_size: bool
    processes: bool
    no_network: bool
    disk_hidden: bool

    def __str__(self) -> str:
        names = {True: [], False: []}
        for name, on in asdict(self).items():
            names[on].append(name.replace("_", " "))
        missing = f"; not in force: {', '.join(names[False])}" if names[False] else ""
        return f"in force: {', '.join(names[True])}{missing}"


@cache
def isolation() -> Isolation:
    """Return which protections are in force. The first call tries ``bwrap`` once."""
    posix = os.name == "posix"
    return Isolation(
        own_process=True,
        bare_environment=True,
        wall_time=True,
        cpu_memory_and_file_size=posix,
        processes=posix and (has_bwrap() or not _is_root()),
        no_network=has_bwrap(),
        disk_hidden=has_bwrap(),
    )


@cache
def has_bwrap() -> bool:
    """Return whether ``bwrap`` is installed and allowed to make a sandbox here."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    command = [*_bwrap(Path("/tmp"), Path("/tmp")), sys.executable, "-c", ""]
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def command(folder: Path, connection: Path) -> list[str]:
    """Return the command that starts a kernel for `folder`, less ipykernel's own arguments.

    Args:
        folder: what the code sees as its own; `DATA` inside the sandbox.
        connection: the folder of the connection file and its sockets.
    """
    uid = None
    if _is_root() and has_bwrap():
        uid = FIRST_UID + next(_counter) % UIDS
    settings = {
        "cpu": limits.CPU_SECONDS,
        "memory": limits.MEMORY_BYTES,
        "file": limits.FILE_BYTES,
        "processes": limits.PROCESSES if has_bwrap() else limits.PROCESSES + _running_processes(),
        "uid": uid,
    }
    sandbox = _bwrap(folder, connection) if has_bwrap() else []
    return [*sandbox, sys.executable, str(LAUNCHER), json.dumps(settings)]


def environment(folder: Path) -> dict[str, str]:
    """Return all the environment that the code gets: nothing of the server's but the path."""
    home = DATA if has_bwrap() else str(folder)
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": home,
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp/matplotlib" if has_bwrap() else f"{home}/.matplotlib",
        "IPYTHONDIR": "/tmp/ipython" if has_bwrap() else f"{home}/.ipython",
        "XDG_CACHE_HOME": "/tmp/cache" if has_bwrap() else f"{home}/.cache",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _bwrap(folder: Path, connection: Path) -> list[str]:
    shown = [path for path in SYSTEM if os.path.exists(path)]
    python = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    python = [path for path in sorted(python) if not path.startswith("/usr/")]
    files = [path for path in SYSTEM_FILES if os.path.exists(path)]
    arguments = ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"]
    arguments += ["--unshare-ipc", "--unshare-uts"]
    if not _is_root():
        arguments += ["--unshare-user"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    bound = (*shown, *files, *python, str(LAUNCHER))
    for parent in _parents(*bound, str(connection)):
        arguments += ["--perms", "0755", "--dir", parent]  # bwrap would make them 0700
    for path in bound:
        arguments += ["--ro-bind", path, path]
    arguments += ["--bind", str(connection), str(connection)]
    return [*arguments, "--bind", str(folder), DATA, "--chdir", DATA]


def _parents(*paths: str) -> list[str]:
    found = {str(parent): None for path in paths for parent in reversed(Path(path).parents)}
    return [parent for parent in found if parent not in ("/", "/tmp")]


def _is_root() -> bool:
    return os.name == "posix" and os.getuid() == 0


def _running_processes() -> int:
    """Return how many tasks this user has: without a sandbox the limit counts them all."""
    if sys.platform != "linux":
        return 1000
    mine = [entry for entry in os.scandir("/proc") if entry.name.isdigit()]
    tasks = 0
    for entry in mine:
        try:
            if entry.stat().st_uid == os.getuid():
                tasks += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue
    return tasks
