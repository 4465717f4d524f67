"""Looks over what an upstream sends: takes the key out, and bounds what has to be kept in memory."""

from collections.abc import AsyncIterator

import httpx2

from assistants_server.engine.failures import UpstreamError

HIDDEN = "(the key)"
# A shorter one is no secret but a placeholder, like "ollama", which answers may well contain.
SHORTEST_KEY = 16
MEGABYTE = 1024 * 1024
MOST_OF_AN_EVENT = 16 * MEGABYTE
MOST_OF_A_TURN = 64 * MEGABYTE  # some 300,000 tokens, streamed one by one


class KeyFilter:
    """Takes a key out of bytes that arrive in pieces.

    It holds back only what may be the beginning of the key, so the events of a stream, which end
    with an empty line, pass at once. It knows the key as it is written, not encoded in some way.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode() if len(key) >= SHORTEST_KEY else b""
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on, now that this piece has arrived."""
        if not self._key:
            return piece
        seen = (self._held + piece).replace(self._key, HIDDEN.encode())
        longest = min(len(self._key) - 1, len(seen))
        kept = next((n for n in range(longest, 0, -1) if seen.endswith(self._key[:n])), 0)
        self._held = seen[len(seen) - kept :]
        return seen[: len(seen) - kept]

    def rest(self) -> bytes:
        """Return what was held back, at the end."""
        return self._held

    def whole(self, content: bytes) -> bytes:
        """Return bytes that are complete, without the key."""
        return content.replace(self._key, HIDDEN.encode()) if self._key else content


class Guard:
    """A response hook for the HTTP client that speaks to an upstream.

    Args:
        key: what to take out of headers and bodies; errors and streams are no exception.
        bounded: whether to end an answer that grows beyond all measure, with an `UpstreamError`.
    """

    def __init__(self, key: str, *, bounded: bool) -> None:
        self._key = key
        self._bounded = bounded

    async def __call__(self, response: httpx2.Response) -> None:
        """Put a stream in place of the response's own that is decoded and looked over."""
        original = httpx2.Response(
            response.status_code, headers=response.headers, stream=response.stream
        )
        clean = KeyFilter(self._key).whole
        changed = (b"content-encoding", b"content-length")
        response.headers = httpx2.Headers(
            [
                (name, clean(value))
                for name, value in response.headers.raw
                if name.lower() not in changed
            ]
        )
        pieces = original.aiter_bytes()
        response.stream = _Guarded(
            original, _within_bounds(pieces) if self._bounded else pieces, KeyFilter(self._key)
        )


class _Guarded(httpx2.AsyncByteStream):
    def __init__(
        self, original: httpx2.Response, pieces: AsyncIterator[bytes], filter: KeyFilter
    ) -> None:
        self._original = original
        self._pieces = pieces
        self._filter = filter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            if passed := self._filter.feed(piece):
                yield passed
        if rest := self._filter.rest():
            yield rest

    async def aclose(self) -> None:
        await self._original.aclose()


async def _within_bounds(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    of_turn = of_event = 0
    async for piece in pieces:
        of_turn += len(piece)
        ended = max(piece.rfind(b"\n\n"), piece.rfind(b"\n\r\n"))  # an empty line ends an event
        of_event = len(piece) - ended if ended >= 0 else of_event + len(piece)
        if of_event > MOST_OF_AN_EVENT or of_turn > MOST_OF_A_TURN:
            most = MOST_OF_AN_EVENT if of_event > MOST_OF_AN_EVENT else MOST_OF_A_TURN
            raise UpstreamError(
                f"The model's server sends an answer without an end: more than "
                f"{most // MEGABYTE} MB."
            )
        yield piece
