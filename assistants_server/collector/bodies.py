"""Bodies of requests, read so that no client can fill memory or hold it for long."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

MEGABYTE = 1024 * 1024
MOST_BYTES = 16 * MEGABYTE  # of one request, as it is sent and inflated
MOST_HELD = 4 * MOST_BYTES  # of all requests together
SECONDS_TO_ARRIVE = 30.0
WINDOWS = {"gzip": 31, "deflate": 15}  # what zlib calls these formats


class Bodies:
    """Reads bodies, and knows how much of them is in memory."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request, most: int) -> AsyncIterator[bytes]:
        """Read the body, which counts as held until the block is left.

        Raises:
            HTTPException: 413, it has more than `most` bytes; 408, it does not arrive; 503, there
                is no room for it now.
        """
        if int(request.headers.get("content-length", 0)) > most:
            raise too_large(most)
        parts, size = [], 0
        try:
            async with asyncio.timeout(SECONDS_TO_ARRIVE):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    self._held += len(part)
                    if size > most:
                        raise too_large(most)
                    if self._held > MOST_HELD:
                        raise HTTPException(503, "Too much arrives at once; send it again later.")
            yield b"".join(parts)
        except TimeoutError:
            raise HTTPException(408, f"No whole body within {SECONDS_TO_ARRIVE:.0f} s.") from None
        finally:
            self._held -= size


def inflated(body: bytes, encoding: str) -> bytes:
    """Return a body without its content encoding.

    Raises:
        ValueError: it is not in that encoding, or has something after its end.
        HTTPException: 413, it would have more than `MOST_BYTES`.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in WINDOWS:
        raise ValueError(f"the encoding {encoding} is not known here")
    stream = zlib.decompressobj(WINDOWS[encoding])
    try:
        content = stream.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) > MOST_BYTES:
        raise too_large(MOST_BYTES)
    if not stream.eof or stream.unused_data:
        raise ValueError(f"its {encoding} ends too early, or has something after its end")
    return content


def too_large(most: int) -> HTTPException:
    """Return the refusal of a body that is larger than `most` bytes."""
    size = f"{most // MEGABYTE} MB" if most >= MEGABYTE else f"{most // 1024} kB"
    return HTTPException(413, f"The request is too large: at most {size} are allowed.")
