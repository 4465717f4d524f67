"""A run as server-sent events, for whoever asked with ``stream=True``."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from assistants_server.engine.feed import Feed, Subscription

DONE = "event: done\ndata: [DONE]\n\n"


class EventStream(StreamingResponse):
    """Sends the events of a run from now on, up to its end or to where it waits for its client.

    Make it before the run is started. A client that goes away does not stop the run.
    """

    def __init__(self, feed: Feed, run_id: str) -> None:
        self._reading = ExitStack()
        reader = self._reading.enter_context(feed.subscribe(run_id))
        super().__init__(
            _lines(reader), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._reading:
            await super().__call__(scope, receive, send)


async def _lines(reader: Subscription) -> AsyncIterator[str]:
    async for event, data in reader:
        yield f"event: {event}\ndata: {data}\n\n"
    yield DONE
