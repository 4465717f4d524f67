"""Runs and logs work correctly while the Python interpreter shuts down.

A server in a background thread may still work when the main thread ends. From then on Python
refuses to start threads, with ``RuntimeError: cannot schedule new futures after shutdown``.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any


def program_ends(error: BaseException | None) -> bool:
    """Return whether an error was raised because the interpreter is shutting down."""
    return isinstance(error, RuntimeError) and "shutdown" in str(error)


def log_failure(log: logging.Logger, event: str, **fields: Any) -> None:
    """Log the exception that is being handled, unless the interpreter's shutdown caused it.

    Such exceptions are expected. Their tracebacks would be the last thing that the user sees.
    """
    if not program_ends(sys.exception()):
        log.exception(event, extra={"fields": fields}, stacklevel=2)


async def in_thread(function: Callable[..., None], *args: Any) -> None:
    """Call a blocking function in a thread, or in this one if no thread can be started.

    The function may be called twice, so calling it again must do no harm.
    """
    try:
        await asyncio.to_thread(function, *args)
    except RuntimeError:
        function(*args)
