"""Extracts text in a process of its own, since a PDF, DOCX or HTML file can be made to exhaust it."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal

from assistants_server.file_search.extract import REFUSED

PROGRAM = Path(__file__).with_name("extract.py")
SECONDS = 60  # of wall-clock time; the program limits its processor time itself
MOST_BYTES = 20_000_000  # OpenAI's five million tokens, four bytes each
# All that Python needs to start. A program that reads untrusted files gets no keys.
ENVIRONMENT = {
    name: os.environ[name] for name in ("SYSTEMROOT", "SystemRoot") if name in os.environ
}


class Unreadable(Exception):
    """A file that cannot be read. `code` goes into the vector store file's last_error."""

    def __init__(
        self, message: str, code: Literal["invalid_file", "unsupported_file"] = "invalid_file"
    ) -> None:
        super().__init__(message)
        self.code = code


class ExtractorProcess:
    """The process that reads one file. `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reason = ""

    def read(self, kind: str, path: Path) -> str:
        """Return the text of a file; raise `Unreadable` if it is broken or took too much."""
        command = [sys.executable, "-I", "-B", "-W", "ignore", str(PROGRAM), kind, str(path)]
        with self._lock:
            if self._reason:
                raise Unreadable(self._reason)
            self._process = subprocess.Popen(
                [*command, str(MOST_BYTES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
            )
        late = f"Reading it took more than {SECONDS} s."
        clock = threading.Timer(SECONDS, self.stop, [late])
        clock.daemon = True
        clock.start()
        try:
            with self._process as process:
                assert process.stdout is not None
                assert process.stderr is not None
                content = process.stdout.read(MOST_BYTES + 1)
                if len(content) > MOST_BYTES:
                    self.stop("There is too much text in it.")
                reason = process.stderr.read(1000).decode(errors="replace")
        finally:
            clock.cancel()
        if self._reason:
            raise Unreadable(self._reason)
        if process.returncode == REFUSED:
            raise Unreadable(reason)
        if process.returncode != 0:
            raise Unreadable("It took too much memory or time to read.")
        return content.decode()

    def stop(self, reason: str = "It was deleted while it was read.") -> None:
        """End the process, or keep it from starting."""
        with self._lock:
            self._reason = self._reason or reason
            if self._process is not None:
                self._process.kill()
