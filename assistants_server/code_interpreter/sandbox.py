"""The isolation of a model's code from this machine.

Code always runs in another process, with its own folder, its own environment and limits (see
sandbox_limits.py). Where ``bwrap`` works, it is isolated much further: see bwrap.py.
"""

import contextlib
import itertools
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from assistants_server.code_interpreter import bwrap, sandbox_limits
from assistants_server.code_interpreter.bwrap import DATA, LAUNCHER

FIRST_UID, UIDS = 60_000, 5_000
MARK = "CODE_INTERPRETER_KERNEL"
NOT_ISOLATED = (
    "Code that a model writes is not isolated here: it can read your files and use the network. "
    "On Linux the program bwrap (package bubblewrap) prevents that."
)
REFUSED = (
    "Code that a model writes is not run here: others can reach this server, and the code could read "
    "its files and use its network. Install bwrap (package bubblewrap) on the server, let it listen "
    "on 127.0.0.1 only, or start it with --unsafe-code."
)

_counter = itertools.count(os.getpid())


@dataclass(frozen=True)
class Isolation:
    """Which protections are in force for the code interpreter on this machine."""

    own_process_and_folder: bool
    wall_time: bool
    output_and_disk_space: bool
    cpu_memory_and_file_size: bool
    processes: bool
    no_process_left: bool
    keys_hidden: bool
    disk_hidden: bool
    no_network: bool
    no_further_namespaces: bool

    def __str__(self) -> str:
        facts = {name.replace("_", " "): on for name, on in asdict(self).items()}
        missing = ", ".join(name for name, on in facts.items() if not on)
        in_force = ", ".join(name for name, on in facts.items() if on)
        return f"in force: {in_force}" + (f"; not in force: {missing}" if missing else "")


def isolation() -> Isolation:
    """Return which protections are in force. The first call runs ``bwrap`` to find out."""
    posix = os.name == "posix"
    way = bwrap.way()
    return Isolation(
        own_process_and_folder=True,
        wall_time=True,
        output_and_disk_space=True,
        cpu_memory_and_file_size=posix,
        processes=posix and (has_bwrap() or not _is_root()),
        no_process_left=has_bwrap(),
        keys_hidden=has_bwrap(),
        disk_hidden=has_bwrap(),
        no_network=has_bwrap(),
        no_further_namespaces=way is not None and not way.nested,
    )


def has_bwrap() -> bool:
    """Return whether ``bwrap`` is installed and may create a sandbox on this machine."""
    return bwrap.way() is not None


def notice(allowed: bool = True) -> str:
    """Return "" if code is isolated, or else a warning: that it may be run, or is not allowed to."""
    if has_bwrap():
        return ""
    return NOT_ISOLATED if allowed else REFUSED


def new_uid() -> int | None:
    """Return a user id for the code of a thread, or None if it runs as the server's user.

    Root needs it, because the kernel does not apply limits on processes to root.
    """
    return FIRST_UID + next(_counter) % UIDS if _is_root() and has_bwrap() else None


def command(folder: Path, scratch: Path, uid: int | None, lifeline: int | None) -> list[str]:
    """Return the command that starts a kernel, without ipykernel's own arguments.

    The folders are as in `bwrap.prefix`. `uid`, the thread's result of `new_uid`, must own both.
    `lifeline` is a pipe that is at its end when the server has ended.
    """
    way = bwrap.way()
    settings = {
        "cpu": sandbox_limits.CPU_SECONDS,
        "memory": sandbox_limits.MEMORY_BYTES,
        "file": sandbox_limits.FILE_BYTES,
        "processes": sandbox_limits.PROCESSES if way else _most_processes(),
        "open_files": sandbox_limits.OPEN_FILES,
        "folder": DATA if way else str(folder),
        "lifeline": lifeline,
        "server": None if way else os.getpid(),
    }
    prefix = bwrap.prefix(way, folder, scratch, uid) if way else []
    return [*prefix, sys.executable, "-I", "-B", str(LAUNCHER), json.dumps(settings)]


def environment(scratch: Path) -> dict[str, str]:
    """Return the whole environment of the code. It holds no secrets of the server."""
    home = "/tmp" if has_bwrap() else str(scratch)
    return {
        **_system(home),
        "LANG": "C.UTF-8",
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": f"{home}/ipython",
        "MPLCONFIGDIR": f"{home}/matplotlib",
        "XDG_CACHE_HOME": f"{home}/cache",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        MARK: str(scratch),
    }


def _system(home: str) -> dict[str, str]:
    python = os.path.dirname(sys.executable)
    if os.name == "posix":
        return {"PATH": f"{python}:/usr/local/bin:/usr/bin:/bin"}
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return {
        "PATH": rf"{python};{root}\System32",
        "SYSTEMROOT": root,
        "USERPROFILE": home,
        "APPDATA": home,
        "TEMP": home,
    }


def _is_root() -> bool:
    return os.name == "posix" and os.getuid() == 0


def _most_processes() -> int:
    """Return the limit on this user's tasks. Without bwrap it counts those of all programs."""
    if sys.platform != "linux":
        return 1000
    tasks = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == os.getuid():
                tasks += process.num_threads()
    return tasks + sandbox_limits.PROCESSES_BESIDE_OTHERS
