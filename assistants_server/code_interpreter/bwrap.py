"""Builds the command line of ``bwrap`` (https://github.com/containers/bubblewrap).

The sandbox has no network, no capabilities and no view of other processes. Of the disk it sees the
system's and Python's folders, read-only, and the folder of the code. Temporary files are kept in
memory, in a limited size.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from assistants_server.code_interpreter import sandbox_limits

LAUNCHER = Path(__file__).with_name("launcher.py")
DATA = "/mnt/data"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/fonts")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/group")
NAMESPACES = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
# A script that changes the user from root: `python -c BECOME UID COMMAND...`
BECOME = """
import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
os.execv(sys.argv[2], sys.argv[2:])
"""
ONLY_TO_BECOME = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
ISOLATED = ("-I", "-S", "-B", "-c")
A_USER_ID = 60_000


@dataclass(frozen=True)
class Way:
    """How a sandbox can be created on this machine."""

    user_namespace: bool  # the sandbox has its own
    nested: bool  # code in the sandbox may create further ones


@cache
def way() -> Way | None:
    """Return the strictest way that works, or None if none does. The first call tries each."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return None
    ways = [Way(True, nested=True), Way(False, nested=True)]
    if "--disable-userns" in _help():
        ways.insert(0, Way(True, nested=False))
    return next(filter(_works, ways), None)


def prefix(way: Way, folder: Path, scratch: Path, uid: int | None) -> list[str]:
    """Return the arguments to put before a command to run it in the sandbox.

    The code sees `folder` as `DATA`, and `scratch` under its own path, and may write both. For root,
    `uid` is the user id to change to. It must own both.
    """
    ends_with_us = [shutil.which("bwrap") or "bwrap", "--die-with-parent"]
    devices = ["--dev", "/dev", *_memory("/dev/shm", "1777"), "--remount-ro", "/dev"]
    inside = [*NAMESPACES, "--new-session", "--proc", "/proc", *devices]
    user = ["--unshare-user", *([] if way.nested else ["--disable-userns"])]
    if uid is None:
        view = _view(str(folder), scratch)
        return [*ends_with_us, *inside, *user * way.user_namespace, "--cap-drop", "ALL", *view]
    become = [sys.executable, *ISOLATED, BECOME, str(uid)]
    if not way.user_namespace:
        return [*ends_with_us, *inside, *ONLY_TO_BECOME, *_view(str(folder), scratch), *become]
    # There are two sandboxes. The outer one makes the folders accessible to the user id `uid`, and
    # changes to it. That user then creates the inner one. The change of user cancels
    # --die-with-parent, but the outer sandbox has a process namespace, whose end ends all processes.
    mounts = ["--bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev"]
    reach = ["--unshare-pid", *mounts, *ONLY_TO_BECOME]
    first = [*ends_with_us, *reach, *_view(str(folder), scratch), *become]
    return [*first, *ends_with_us, *inside, *user, "--cap-drop", "ALL", *_view(DATA, scratch)]


def _view(folder: str, scratch: Path) -> list[str]:
    """Return the arguments for the visible part of the disk and the initial folder."""
    shown = [path for path in (*SYSTEM, *SYSTEM_FILES) if os.path.exists(path)]
    python = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    shown += [path for path in sorted(python) if not path.startswith("/usr/")]
    shown.append(str(LAUNCHER))
    arguments = [*_memory("/tmp", "1777")]
    for parent in _parents(*shown, str(scratch), DATA):
        arguments += ["--perms", "0755", "--dir", parent]  # bwrap would create them with 0700
    for path in shown:
        arguments += ["--ro-bind", path, path]
    arguments += ["--bind", str(scratch), str(scratch), "--bind", folder, DATA]
    return [*arguments, "--remount-ro", "/", "--chdir", "/"]


def _memory(path: str, permissions: str) -> list[str]:
    """Return the arguments for a folder in memory. Old versions of bwrap cannot limit its size."""
    size = ["--size", str(sandbox_limits.TEMPORARY_BYTES)] if "--size" in _help() else []
    return [*size, "--perms", permissions, "--tmpfs", path]


def _parents(*paths: str) -> list[str]:
    found = {str(parent): None for path in paths for parent in reversed(Path(path).parents)}
    return [parent for parent in found if parent not in ("/", "/tmp")]


@cache
def _help() -> str:
    asked = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, timeout=10)
    return asked.stdout + asked.stderr


def _works(way: Way) -> bool:
    uid = A_USER_ID if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="sandbox-") as scratch:
        if uid is not None:
            os.chown(scratch, uid, uid)
        command = [*prefix(way, Path(scratch), Path(scratch), uid), sys.executable, *ISOLATED, ""]
        try:
            return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False
