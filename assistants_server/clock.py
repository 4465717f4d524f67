"""The time as OpenAI writes it."""

import time


def now() -> int:
    """Return whole seconds since 1970."""
    return int(time.time())
