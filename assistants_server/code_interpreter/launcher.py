"""Runs inside the sandbox: limits its own process, then runs ipykernel in it.

``python -I launcher.py SETTINGS -f CONNECTION_FILE``: in Python's isolated mode, so that files and
variables of the code have no effect, and without importing this package. `sandbox.command` writes
the settings. Lifeline is a pipe that is at its end when the server has ended.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38


def restrict(settings: dict[str, int]) -> None:
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
        # The kernel is killed when its parent dies. ipykernel's own check is disabled: in the sandbox
        # the parent is process 1, which ipykernel takes to mean that the real parent has died.
        os.environ.pop("JPY_PARENT_PID", None)
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Orphaned processes become children of this one, where the server finds them.
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_without_server(lifeline: int | None, server: int | None) -> None:
    """Exit if the server ended before PR_SET_PDEATHSIG was set.

    A server of several threads gives up its children before it closes its pipes.
    """
    if server is not None and os.getppid() != server:
        os._exit(1)
    if lifeline is not None:
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(1)
        os.close(lifeline)


if __name__ == "__main__":
    given = json.loads(sys.argv.pop(1))
    if os.name == "posix":
        restrict(given)
        end_without_server(given["lifeline"], given["server"])

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(sys.argv[1:])
    os.chdir(given["folder"])
    # The folder's modules can be imported, but cannot replace those of libraries.
    sys.path.append("")
    app.start()
