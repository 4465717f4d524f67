"""The command line of ``bwrap`` (https://github.com/containers/bubblewrap), where it works.

Inside there is no network and no other process, no capability, and of the disk only the system's
and Python's folders, read-only, and the code's own folder. What can be written besides lies in
memory and has a size.
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
# Run by root: `python -c BECOME UID COMMAND...`
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
    """A way to make a sandbox that works on this machine.

    Attributes:
        user_namespace: the sandbox has a user namespace of its own.
        nested: code may make further ones.
    """

    user_namespace: bool
    nested: bool


@cache
def way() -> Way | None:
    """Return the strictest way that works here, or None if none does. The first call tries them."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return None
    ways = [Way(True, nested=True), Way(False, nested=True)]
    if "--disable-userns" in _help():
        ways.insert(0, Way(True, nested=False))
    return next(filter(_works, ways), None)


def prefix(way: Way, folder: Path, scratch: Path, uid: int | None) -> list[str]:
    """Return what to put in front of a command to run it in the sandbox.

    Args:
        folder: what the code sees as `DATA`.
        scratch: another folder that it may write, under its own path.
        uid: for root, the user to become. Both folders must belong to it.
    """
    program = shutil.which("bwrap")
    ends_with_us = [program, "--die-with-parent"]
    inside = [*NAMESPACES, "--new-session", "--proc", "/proc", *_devices()]
    user = ["--unshare-user", *([] if way.nested else ["--disable-userns"])]
    if uid is None:
        view = _view(str(folder), scratch)
        return [*ends_with_us, *inside, *user * way.user_namespace, "--cap-drop", "ALL", *view]
    become = [sys.executable, *ISOLATED, BECOME, str(uid)]
    if not way.user_namespace:
        return [*ends_with_us, *inside, *ONLY_TO_BECOME, *_view(str(folder), scratch), *become]
    # The first sandbox only brings the folders into reach of the user that root becomes; that user
    # makes the second, as any user would. What dies with root's process is not another user's, but
    # all that has a place in its process namespace.
    reach = [
        "--unshare-pid",
        "--bind",
        "/proc",
        "/proc",
        "--dev-bind",
        "/dev",
        "/dev",
        *ONLY_TO_BECOME,
    ]
    first = [*ends_with_us, *reach, *_view(str(folder), scratch), *become]
    return [*first, *ends_with_us, *inside, *user, "--cap-drop", "ALL", *_view(DATA, scratch)]


def _view(folder: str, scratch: Path) -> list[str]:
    """Return the arguments for what is seen of the disk, and the folder to start in."""
    shown = [path for path in (*SYSTEM, *SYSTEM_FILES) if os.path.exists(path)]
    python = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    shown += [path for path in sorted(python) if not path.startswith("/usr/")]
    shown.append(str(LAUNCHER))
    arguments = [*_memory("/tmp", "1777")]
    for parent in _parents(*shown, str(scratch), DATA):
        arguments += ["--perms", "0755", "--dir", parent]  # bwrap would make them 0700
    for path in shown:
        arguments += ["--ro-bind", path, path]
    arguments += ["--bind", str(scratch), str(scratch), "--bind", folder, DATA]
    return [*arguments, "--remount-ro", "/", "--chdir", "/"]


def _devices() -> list[str]:
    return ["--dev", "/dev", *_memory("/dev/shm", "1777"), "--remount-ro", "/dev"]


def _memory(path: str, permissions: str) -> list[str]:
    """Return the arguments for a folder in memory; old versions of bwrap cannot limit its size."""
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
