"""Ids in OpenAI's format: a prefix, then 24 letters and digits."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24
BITS = 192  # far more than 24 characters hold, so that each is as likely as any other


def new_id(prefix: str) -> str:
    """Return a fresh id, for example ``new_id("asst_")``."""
    number, characters = secrets.randbits(BITS), []
    for _ in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return prefix + "".join(characters)
