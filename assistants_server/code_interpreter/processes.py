"""Starts, interrupts, counts and ends the processes of one kernel."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

import psutil

from assistants_server.code_interpreter import sandbox

SECONDS_TO_DIE = 5
MOST_ROUNDS = 20  # of killing processes, because they may start others meanwhile


@cache
def lifeline() -> int | None:
    """Return the read end of a pipe that is at its end when this process has ended."""
    return os.pipe()[0] if os.name == "posix" else None  # nobody closes the write end


class Processes:
    """A kernel's process and all it has started; their environment names `scratch`."""

    def __init__(self, command: list[str], scratch: Path) -> None:
        from jupyter_client.launcher import launch_kernel  # a server that runs no code needs none

        pipe = lifeline()
        self._scratch = scratch
        self._popen = launch_kernel(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=sandbox.environment(scratch),
            cwd=str(scratch),
            pass_fds=() if pipe is None else (pipe,),
        )
        self._own: set[int] = set()

    def have_ended(self) -> bool:
        return self._popen.poll() is not None

    def started(self) -> None:
        """Record the current processes as the kernel's own, to tell them from those of calls."""
        self._own = {process.pid for process in self._all()}

    def interrupt(self) -> None:
        """Interrupt the code that runs, as Ctrl+C does."""
        if os.name != "posix":
            from jupyter_client.win_interrupt import send_interrupt

            send_interrupt(cast(Any, self._popen).win32_interrupt_event)
            return
        for process in self._all():  # a signal to the process group would end the sandbox
            with contextlib.suppress(psutil.Error):
                if process.pid in self._own and process.name() != "bwrap":
                    process.send_signal(signal.SIGINT)

    def end_strays(self) -> int:
        """End the processes that a call has left running. Return how many there were."""
        strays = [process for process in self._all() if process.pid not in self._own]
        _kill(strays)
        return len(strays)

    def end(self) -> None:
        """End all processes, and wait until the kernel's own has ended."""
        found = self._all()
        self._popen.kill()
        _kill(found)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(SECONDS_TO_DIE)
        if not sandbox.has_bwrap():
            end_marked(self._scratch)

    def bytes_of_deleted_files(self) -> int:
        """Return the disk space of files that have been deleted but are still open."""
        if sys.platform != "linux":
            return 0
        sizes = {}
        for process in self._all():
            with contextlib.suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                            sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
        return sum(sizes.values())

    def _all(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self._popen.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []


def end_marked(scratch: Path) -> None:
    """End the processes whose environment names `scratch`, or a folder within it.

    This finds processes that have left the kernel's process tree. It does not find those that have
    cleared their environment, and it finds none on Windows.
    """
    for _ in range(MOST_ROUNDS):
        marked = [process for process in psutil.process_iter() if _is_marked(process, scratch)]
        if not marked:
            return
        _kill(marked)
        psutil.wait_procs(marked, timeout=0.1)


def _is_marked(process: psutil.Process, scratch: Path) -> bool:
    try:
        mark = process.environ().get(sandbox.MARK)
    except (psutil.Error, OSError):  # it has ended, or belongs to another user
        return False
    return mark is not None and Path(mark).is_relative_to(scratch)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
