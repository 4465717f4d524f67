"""Servers as processes, and whatever processes outlive them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import httpx2
import psutil

TOKEN = "a-token-for-the-crash-campaign"
SECONDS_TO_START = 30
PR_SET_CHILD_SUBREAPER = 36


class NotStarted(Exception):
    """A server did not start. The message quotes the end of its log."""


class ServerProcess:
    """``python -m assistants_server`` on a database.

    Args:
        database: its file.
        log: the file that its log is appended to.
        temporary: its folder for temporary files.

    Attributes:
        alive: false from the moment it is about to be killed or stopped.
        base_url: what clients need.

    Raises:
        NotStarted: it ended, or did not say its address, or does not answer.
    """

    def __init__(self, database: Path, log: Path, temporary: Path) -> None:
        self._log = log
        self._process = _start(database, log, temporary)
        self.pid = self._process.pid
        self.alive = True
        self.base_url = self._address()
        self._wait_for_health()

    def kill(self) -> None:
        """Kill it with signal 9, and wait until it is gone."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def stop(self) -> bool:
        """Ask it to end, and kill it if it does not; return whether it ended by itself."""
        self.alive = False
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._process.stdout.close()
        return True

    def is_starting_a_process(self) -> bool:
        """Return whether a process of its own came to be within the last second."""
        try:
            below = psutil.Process(self.pid).children(recursive=True)
            return any(time.time() - process.create_time() < 1 for process in below)
        except psutil.Error:
            return False

    def _address(self) -> str:
        for line in self._process.stdout:
            if line.startswith("export OPENAI_BASE_URL="):
                return line.partition("=")[2].strip()
        return self._give_up("it ended before it listened")

    def _wait_for_health(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx2.get(self.base_url.replace("/v1", "/health"), timeout=2)
                return
            except httpx2.TransportError:
                time.sleep(0.05)
        self._give_up("it does not answer")

    def _give_up(self, why: str) -> NoReturn:
        self.kill()
        end = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
        raise NotStarted(f"{why} (exit code {self._process.returncode}). Its log ends:\n{end}")


def kill_while_it_starts(database: Path, log: Path, temporary: Path, seconds: float) -> None:
    """Start a server, and kill it after so long."""
    process = _start(database, log, temporary)
    time.sleep(seconds)
    process.kill()
    process.wait()
    process.stdout.close()


def adopt_orphans() -> None:
    """Make this process the parent of every process that a killed server leaves behind."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("this system does not let a process adopt orphans")


def end_strays(servers: list[ServerProcess], seconds: float) -> list[str]:
    """Return the commands of the processes that outlive their server so long, having ended them."""
    deadline = time.monotonic() + seconds
    while (strays := _strays({server.pid for server in servers})) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = []
    for process in strays:
        try:
            found.append(f"{process.name()} … {' '.join(process.cmdline())[-150:]}")
            process.send_signal(signal.SIGKILL)
        except psutil.Error:
            found.append(f"process {process.pid}")
    return found


def _start(database: Path, log: Path, temporary: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "assistants_server", "--port", "0", "--db", str(database)]
    environment = {**os.environ, "ASSISTANTS_TOKEN": TOKEN, "TMPDIR": str(temporary)}
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        environment[name] = ""
    with log.open("ab") as errors:
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )


def _strays(living: set[int]) -> list[psutil.Process]:
    strays = []
    for process in psutil.Process().children():
        if process.pid in living:
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
            else:
                strays.append(process)
        except (psutil.Error, ChildProcessError):
            continue
    return strays
