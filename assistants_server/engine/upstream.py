"""The seam: where model turns come from, and how one is asked for."""

import os
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient

from assistants_server.engine.guard import Guard
from assistants_server.engine.turn import Piece, Turn, TurnReader, UpstreamError
from assistants_server.web.errors import ApiError

# Takes a request to the Responses API, and yields the events that answer it, or raises `ApiError`.
Tutor = Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any]]]

OPENAI = "https://api.openai.com/v1"
# Not every server knows these fields; one that refuses them by name is asked again without.
DISPENSABLE = ("include", "store", "parallel_tool_calls")
NOT_ALLOWED, NOT_FOUND, TOO_MANY = (401, 403), 404, 429
MOST_QUOTED = 1000  # characters of its own words, before what we advise


@dataclass(frozen=True)
class Upstream:
    """Where model turns come from.

    Attributes:
        base_url: the address that ends in ``/v1``.
        api_key: sent to that address and shown to nobody.
    """

    base_url: str
    api_key: str = field(repr=False)

    @classmethod
    def from_environment(cls) -> "Upstream | None":
        """Return what `OPENAI_API_KEY` and `OPENAI_BASE_URL` name, or None without a key."""
        key = os.environ.get("OPENAI_API_KEY")
        return cls(os.environ.get("OPENAI_BASE_URL") or OPENAI, key) if key else None

    @property
    def shown(self) -> str:
        """The address without a password that may be in it."""
        return re.sub(r"//[^/@]*@", "//", self.base_url)


class ModelServer:
    """A connection to an upstream.

    What the upstream has refused to know is remembered, and not sent again. A redirect is not
    followed: prompts and the key go to the address that was chosen. Whatever comes back has the
    key taken out before it is read.

    Args:
        tutor: answers in the upstream's place: it is of this process, and needs no HTTP.
    """

    def __init__(self, upstream: Upstream, tutor: Tutor | None = None) -> None:
        self._upstream = upstream
        self._tutor = tutor
        self._client = _client(upstream) if tutor is None else None
        self._refused: set[str] = set()

    async def turn(self, request: dict[str, Any]) -> AsyncIterator[Piece | Turn]:
        """Ask for one turn; yield it piece by piece, and at last the whole `Turn`.

        Raises:
            UpstreamError: no connection, an error status, a failed response or a stream that ends
                before the response does.
        """
        reader = TurnReader()
        try:
            async with await self._open(request) as stream:
                async for event in stream:
                    if piece := reader.read(event):
                        yield piece
            turn = reader.turn()
        except ApiError as error:
            raise self._status_error(error.status, error.body["error"], request) from None
        except openai.APIStatusError as error:
            raise self._status_error(error.status_code, error.body, request) from None
        except openai.APITimeoutError:
            raise UpstreamError(f"{self._who} did not answer in time. Try again.") from None
        except openai.APIConnectionError as error:
            reason = f"{type(error.__cause__ or error).__name__}"
            raise UpstreamError(
                f"{self._who} cannot be reached, or hung up ({reason}). Look at OPENAI_BASE_URL."
            ) from None
        except httpx2.HTTPError as error:
            raise UpstreamError(
                f"{self._who} broke off in the middle of its answer ({type(error).__name__})."
            ) from None
        except openai.APIError as error:
            raise UpstreamError(f"{self._who} could not be read: {error.message}") from None
        except ValueError:
            raise UpstreamError(f"{self._who} sent an event that is not JSON.") from None
        yield turn

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _open(
        self, request: dict[str, Any]
    ) -> AbstractAsyncContextManager[AsyncIterable[object]]:
        if self._client is None:
            assert self._tutor is not None
            return aclosing(self._tutor(request))
        while True:
            sent = {key: value for key, value in request.items() if key not in self._refused}
            try:
                # Plain dicts: some servers leave out fields that the SDK's models promise, and
                # building a model of each event takes longer than all the rest of a turn.
                return await self._client.post(
                    "/responses",
                    body={**sent, "stream": True},
                    cast_to=object,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                said = f"{error.message} {error.body}"
                refused = {
                    name for name in DISPENSABLE if name in sent and re.search(rf"\b{name}\b", said)
                }
                if not refused:
                    raise
                self._refused |= refused

    def _status_error(self, status: int, body: object, request: dict[str, Any]) -> UpstreamError:
        message = body.get("message") if isinstance(body, dict) else None
        said = str(message or "it gave no reason")[:MOST_QUOTED]
        answered = f"{self._who} answered {status}: {said.rstrip('.')}."
        if 300 <= status < 400:
            return UpstreamError(
                f"{self._who} answers with a redirect ({status}), and the key goes nowhere else. "
                "Set OPENAI_BASE_URL to the address that it redirects to, if you trust that."
            )
        if status in NOT_ALLOWED:
            return UpstreamError(f"{answered} Look at OPENAI_API_KEY.")
        if status == NOT_FOUND:
            return UpstreamError(
                f"{answered} Does it have the model '{request['model']}'? Set OPENAI_MODEL, and the "
                "assistant's model, to one that it has; or look at OPENAI_BASE_URL."
            )
        if status == TOO_MANY:
            return UpstreamError(f"{answered} Wait a while and try again.", "rate_limit_exceeded")
        return UpstreamError(answered if status < 500 else f"{answered} Try again.")

    @property
    def _who(self) -> str:
        return f"The model's server at {self._upstream.shown}"


def _client(upstream: Upstream) -> AsyncOpenAI:
    guard = Guard(upstream.api_key, bounded=True)
    http = DefaultAsyncHttpxClient(follow_redirects=False, event_hooks={"response": [guard]})
    return AsyncOpenAI(base_url=upstream.base_url, api_key=upstream.api_key, http_client=http)
