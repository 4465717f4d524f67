"""How much memory a process and all below it take. Linux only."""

import threading
import time
from pathlib import Path

import psutil

SECONDS_BETWEEN = 0.1
MEGABYTE = 1e6


class Sampler:
    """Looks at a process and its children again and again, in the background.

    Attributes:
        server: the most that the process had resident since `reset`, in MB.
        family: the most that it and all below it had, each shared page counted once, in MB.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self.reset()
        threading.Thread(target=self._run, daemon=True).start()

    def reset(self) -> None:
        """Forget what was seen."""
        self.server = self.family = 0.0

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    @property
    def peak(self) -> float:
        """The most that the process had resident since it was started, as the system counts it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)
        return int(kilobytes) * 1024 / MEGABYTE

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.server = max(self.server, self._process.memory_info().rss / MEGABYTE)
                below = self._process.children(recursive=True)
            except psutil.Error:
                return
            self.family = max(self.family, sum(map(_proportional, (self._process, *below))))
            time.sleep(SECONDS_BETWEEN)


def _proportional(process: psutil.Process) -> float:
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0  # it has ended
    return sum(
        int(line.split()[1]) * 1024 / MEGABYTE
        for line in rollup.splitlines()
        if line.startswith("Pss:")
    )
