"""A bound on how long SymPy may think.

Some integrals would take it hours. The bound counts function calls, not seconds, so that the same
question has the same answer on a slow machine and on a fast one.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MAX_CALLS = 2_000_000


class TooHard(BaseException):
    """The computation was given up. Not an Exception, so that SymPy does not swallow it."""


def within_budget(compute: Callable[..., T], *args: object) -> T:
    """Return ``compute(*args)``.

    Raises:
        TooHard: it needed more than `MAX_CALLS` calls.
    """
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"
        if calls > MAX_CALLS:
            raise TooHard

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return compute(*args)
    finally:
        sys.setprofile(before)
