"""Ids as OpenAI writes them: a prefix, and 24 letters and digits."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return a fresh id, for example ``new_id("asst_")``."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(24))
