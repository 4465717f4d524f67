"""Ids in OpenAI's format: a prefix, then 24 letters and digits."""

import random
import string

ALPHABET = string.ascii_letters + string.digits
_random = random.SystemRandom()


def new_id(prefix: str) -> str:
    """Return a random id, for example ``new_id("asst_")``."""
    return prefix + "".join(_random.choices(ALPHABET, k=24))
