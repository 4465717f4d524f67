"""Starts a kernel inside the sandbox: gives up what it must not have, then becomes ipykernel.

It runs as a script, before and outside the package, in Python's isolated mode, so that no file or
variable of the code's is looked at: ``python -I launcher.py SETTINGS -f CONNECTION_FILE``.
SETTINGS is JSON: cpu, memory, file, processes, open_files; folder, the code's own; and lifeline, a
descriptor that is at its end when the server is gone, or null.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38


def restrict(settings: dict) -> None:
    import resource

    kinds = {
        resource.RLIMIT_CPU: settings["cpu"],
        resource.RLIMIT_AS: settings["memory"],
        resource.RLIMIT_FSIZE: settings["file"],
        resource.RLIMIT_NPROC: settings["processes"],
        resource.RLIMIT_NOFILE: settings["open_files"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in kinds.items():
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some of them
            resource.setrlimit(kind, (most, most))
    if sys.platform == "linux":
        # It dies with its parent. ipykernel's own watch would take the sandbox's process 1 for a
        # sign that the parent is gone already.
        os.environ.pop("JPY_PARENT_PID", None)
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Processes that lose their parent stay below this one, where the server finds them.
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_without_server(lifeline: int | None) -> None:
    """End if the server died before this process was bound to it."""
    if lifeline is not None:
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(1)
        os.close(lifeline)


if __name__ == "__main__":
    given = json.loads(sys.argv.pop(1))
    if os.name == "posix":
        restrict(given)
        end_without_server(given["lifeline"])

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(sys.argv[1:])
    os.chdir(given["folder"])
    sys.path.append("")  # its own modules can be imported, but never in place of the library's
    app.start()
