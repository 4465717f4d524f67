"""The end of a program that has a server in its background."""

import logging
import sys
from typing import Any


def program_ends(error: BaseException | None) -> bool:
    """Return whether an error says that Python starts no threads any more, because it ends."""
    return isinstance(error, RuntimeError) and "shutdown" in str(error)


def log_failure(log: logging.Logger, event: str, **fields: Any) -> None:
    """Log the exception that is being handled, unless it comes of the program's end.

    Then much fails until the server is stopped, a moment later, and tracebacks of that would be
    the last that the user sees.
    """
    if not program_ends(sys.exception()):
        log.exception(event, extra={"fields": fields}, stacklevel=2)
