"""Starts a kernel inside the sandbox: gives up what it must not have, then becomes ipykernel.

It runs as a script, before and outside the package: ``launcher.py LIMITS -f CONNECTION_FILE``.
LIMITS is JSON: cpu, memory, file and processes, and the user id to become, or null.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def restrict(limits: dict) -> None:
    import resource

    kinds = {
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["file"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in kinds.items():
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some of them
            resource.setrlimit(kind, (most, most))
    if limits["uid"] is not None:
        # The limit on processes does not hold for root. What is in reach now becomes the new user's.
        connection_file = sys.argv[sys.argv.index("-f") + 1]
        for folder in (os.getcwd(), os.path.dirname(connection_file)):
            for path in (folder, *(entry.path for entry in os.scandir(folder))):
                os.chown(path, limits["uid"], limits["uid"], follow_symlinks=False)
        os.setgroups([])
        os.setgid(limits["uid"])
        os.setuid(limits["uid"])
    if sys.platform == "linux":
        # It dies with its parent. ipykernel's own watch would take the sandbox's process 1 for a
        # sign that the parent is gone already.
        os.environ.pop("JPY_PARENT_PID", None)
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    given = json.loads(sys.argv.pop(1))
    if os.name == "posix":
        restrict(given)
    sys.path.pop(0)  # this file's folder
    sys.path.insert(0, "")

    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
