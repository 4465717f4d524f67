"""The id of each request, and the headers with which OpenAI answers it."""

import random
from contextvars import ContextVar

# Of the request that is being answered, or that has started the run which is being executed.
current: ContextVar[str | None] = ContextVar("request_id", default=None)

Headers = list[tuple[bytes, bytes]]
VERSION = b"2020-10-01"
ORGANIZATION = b"assistants-server"


def new() -> str:
    """Return a new id. It need not be hard to guess, so the system is not asked for bytes."""
    return f"req_{random.getrandbits(128):032x}"


def headers(request_id: str, milliseconds: int) -> Headers:
    """Return the headers of an answer, as the hosted API sent them."""
    return [
        (b"x-request-id", request_id.encode()),
        (b"openai-processing-ms", b"%d" % milliseconds),
        (b"openai-version", VERSION),
        (b"openai-organization", ORGANIZATION),
    ]
