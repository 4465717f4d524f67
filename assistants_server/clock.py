"""The current time, in the units of OpenAI's objects."""

import time


def now() -> int:
    """Return whole seconds since 1970."""
    return int(time.time())


def now_ms() -> str:
    """Return milliseconds since 1970 as a string, because metadata values are strings."""
    return str(time.time_ns() // 1_000_000)
