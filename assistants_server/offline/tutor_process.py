"""One process that runs the tutor, started again whenever it has ended."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from assistants_server.tutor import pipe, process_limits, worker

PACKAGES = ("assistants_server", "sympy", "mpmath")
# Variables that Python needs to start on some systems; the process gets no others.
KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# The same answers on any machine: no random order, and the same integers everywhere.
SETTINGS = {"PYTHONHASHSEED": "0", "SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1"}


class Ended(Exception):
    """The process has ended before it answered."""


class NotStarted(Ended):
    """It cannot be started, or it ended while it started."""


class TooSlow(Ended):
    """It was ended because a question took too long."""


class TutorProcess:
    """The tutor in a process of its own. One thread asks it; any thread may kill it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process's id, or None if there is none."""
        return self._process.pid if self._process else None

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process, ready for questions; start it if none is alive.

        Raises:
            NotStarted: it does not start, or the tutor has been closed.
        """
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.end()
        with self._lock:
            if self._closed:
                raise NotStarted
            try:
                self._process = process = _open()
            except OSError:
                raise NotStarted from None
        with _Deadline(process_limits.SECONDS_TO_START, self):
            ready = pipe.receive_answer(_pipes(process)[1])
        if ready is None:
            self.end()
            raise NotStarted
        return process

    def ask(self, question: pipe.Question, seconds: float) -> pipe.Answer:
        """Return the answer to a question.

        Raises:
            TooSlow: it took more than `seconds`, or more of the processor's than it may.
            NotStarted: the process does not start.
            Ended: it has ended for another reason.
            RecursionError: the question's tools or format are nested too deep.
        """
        process, answer = self.start(), None
        questions, answers = _pipes(process)
        with _Deadline(seconds, self) as deadline, suppress(OSError):  # it ended while we wrote
            pipe.send_question(questions, question)
            answer = pipe.receive_answer(answers)
        if answer is None:
            self.end()
            raise TooSlow if deadline.passed or _out_of_cpu(process) else Ended
        return answer

    def kill(self) -> None:
        """Kill the process; `ask` raises `Ended` if it waits for an answer."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the process for good: it is not started again."""
        with self._lock:
            self._closed = True
        self.kill()

    def end(self) -> None:
        """End the process, and wait until it has gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            questions, answers = _pipes(process)
            answers.close()
            with suppress(OSError):  # it flushes what the process has not read
                questions.close()


class _Deadline:
    """Kills the process if the `with` block takes too long."""

    def __init__(self, seconds: float, process: TutorProcess) -> None:
        self.passed = False
        self._process = process
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def _pass(self) -> None:
        self.passed = True
        self._process.kill()


def _open() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -s and -P are -I without -E, which would ignore PYTHONHASHSEED.
        [sys.executable, "-s", "-P", worker.__file__, *_folders()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tempfile.gettempdir(),
        env={name: os.environ[name] for name in KEPT if name in os.environ} | SETTINGS,
        start_new_session=True,  # so that Ctrl+C reaches the notebook alone
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _folders() -> list[str]:
    """Return the folders of the packages that the process needs; it imports from no others.

    Raises:
        NotStarted: one of them is not installed.
    """
    folders = []
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise NotStarted
        folders.append(str(Path(spec.origin).parent.parent))
    return list(dict.fromkeys(folders))


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipe that takes questions, and the one that brings answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _out_of_cpu(process: subprocess.Popen[bytes]) -> bool:
    return os.name == "posix" and process.returncode == -signal.SIGXCPU
