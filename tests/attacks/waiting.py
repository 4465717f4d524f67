"""Waits for a condition, with a generous bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 30


def until(look: Callable[[], T]) -> T:
    """Return what `look` returns, once that is something true."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found
