"""A bound on how long SymPy may compute.

Some integrals would take it hours. The bound counts function calls, not seconds, so that the same
question has the same answer on a slow machine and on a fast one. What takes long in few calls,
such as a power with a million digits, is refused by its size (``size.py``).
"""

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TooHard(BaseException):
    """The computation was given up. Not an Exception, so that SymPy does not swallow it."""


class OutOfCalls(TooHard):
    """It was given up because it needed more calls than it was allowed."""


# What ends a computation that is too hard: this bound, or Python.
OVERTAXED = (TooHard, RecursionError, OverflowError, MemoryError)


def within_budget(most_calls: int, compute: Callable[..., T], *args: object) -> T:
    """Return ``compute(*args)``; raise `OutOfCalls` if it needs more than `most_calls` calls."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > most_calls:
            raise OutOfCalls

    def count_on(ignored: "sys.UnraisableHookArgs") -> None:
        # Python removes the profile function when it raises, and a generator that is being closed
        # swallows the exception: so set it again.
        if ignored.exc_type is OutOfCalls:
            sys.setprofile(count)
        else:
            hook(ignored)

    before, hook = sys.getprofile(), sys.unraisablehook
    sys.unraisablehook = count_on
    sys.setprofile(count)
    try:
        return compute(*args)
    finally:
        sys.setprofile(before)
        sys.unraisablehook = hook
