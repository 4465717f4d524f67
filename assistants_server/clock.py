"""The time as OpenAI writes it, and finer."""

import time


def now() -> int:
    """Return whole seconds since 1970."""
    return int(time.time())


def now_ms() -> str:
    """Return milliseconds since 1970, as metadata has them: in digits."""
    return str(time.time_ns() // 1_000_000)
