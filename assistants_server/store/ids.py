"""Ids in OpenAI's format: a prefix, then 24 letters and digits."""

import secrets
import string

ALPHABET = (string.ascii_letters + string.digits).encode()
LENGTH = 24
# Each character stands for as many bytes as any other; the bytes that are left over are dropped.
TABLE = (ALPHABET * 5)[:256]
LEFT_OVER = bytes(range(256 // len(ALPHABET) * len(ALPHABET), 256))
BYTES = 2 * LENGTH  # that half of them are left over happens once in 10^24 ids


def new_id(prefix: str) -> str:
    """Return a fresh id, for example ``new_id("asst_")``."""
    return prefix + secrets.token_bytes(BYTES).translate(TABLE, LEFT_OVER)[:LENGTH].decode()
