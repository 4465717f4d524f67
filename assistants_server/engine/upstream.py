"""The seam: where model turns come from, and how one is asked for."""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient

from assistants_server.engine.failures import ForeignThoughts, TooLong, UpstreamError, refused
from assistants_server.engine.guard import Guard
from assistants_server.engine.prompt import Prompt
from assistants_server.engine.refused_fields import dispensable
from assistants_server.engine.settings import Upstream
from assistants_server.engine.turn import Piece, Turn, TurnReader
from assistants_server.web.errors import ApiError

# Takes a request to the Responses API, and yields the events that answer it, or raises `ApiError`.
Tutor = Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any]]]


class ModelServer:
    """Asks an upstream, or the tutor, for model turns.

    What a model's upstream does not take is remembered, and not sent for that model again. A
    redirect is not followed: prompts and the key go to the address that was chosen. Whatever comes
    back has the key taken out before it is read.

    Args:
        tutor: answers in the upstream's place: it is of this process, and needs no HTTP.
    """

    def __init__(self, upstream: Upstream, tutor: Tutor | None = None) -> None:
        self._upstream = upstream
        self._tutor = tutor
        self._client = _client(upstream) if tutor is None else None
        self._refused: defaultdict[str, set[str]] = defaultdict(set)
        self._windows: dict[str, int] = {}  # tokens that a model's prompt may have, by our count

    async def turn(self, prompt: Prompt) -> AsyncIterator[Piece | Turn]:
        """Ask for one turn; yield it piece by piece, and at last the whole `Turn`.

        A prompt that is longer than the model's window is made shorter, if it may be, and how long it
        may be is remembered.

        Raises:
            UpstreamError: no connection, an error status, a failed response or a stream that ends
                before the response does.
        """
        window = self._windows.get(prompt.model)
        while True:
            kept = prompt.fit(window)
            has_begun = False
            try:
                async for piece in self._ask(prompt.request(kept)):
                    has_begun = True
                    yield piece
                return
            except TooLong as error:
                if has_begun or not prompt.can_drop or len(kept) < 2:
                    raise
                most = error.room(prompt.size(kept))
                window = min(most, window or most)
                # What a run wants to write takes a part of the window that other runs may have.
                if "max_output_tokens" not in prompt.fields:
                    self._windows[prompt.model] = window
            except ForeignThoughts:
                if has_begun or not prompt.thoughts:
                    raise
                prompt.thoughts = False

    async def _ask(self, request: dict[str, Any]) -> AsyncIterator[Piece | Turn]:
        reader = TurnReader()
        try:
            async with await self._open(request) as stream:
                async for event in stream:
                    if piece := reader.read(event):
                        yield piece
            turn = reader.turn()
        except ApiError as error:
            raise refused(error.status, error.body["error"], self._who, request["model"]) from None
        except openai.APIStatusError as error:
            raise refused(error.status_code, error.body, self._who, request["model"]) from None
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
        left_out = self._refused[request["model"]]
        while True:
            sent = {name: value for name, value in request.items() if name not in left_out}
            try:
                # Plain dicts: some servers leave out fields that the SDK's models promise, and
                # building a model of each event takes longer than all the rest of a turn. And all
                # events: by default the SDK raises at an "error" that is not null.
                return await self._client.post(
                    "/responses",
                    body={**sent, "stream": True},
                    options={"stream_mode": "events"},
                    cast_to=object,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not (found := dispensable(error) & sent.keys()):
                    raise
                left_out |= found

    @property
    def _who(self) -> str:
        return f"The model's server at {self._upstream.shown}"


def _client(upstream: Upstream) -> AsyncOpenAI:
    guard = Guard(upstream.api_key, bounded=True)
    http = DefaultAsyncHttpxClient(
        follow_redirects=False,
        event_hooks={"response": [guard]},
        trust_env=upstream.uses_proxies,
    )
    return AsyncOpenAI(
        base_url=upstream.address,
        api_key=upstream.api_key,
        default_query=upstream.query,
        http_client=http,
    )
