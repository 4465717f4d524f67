"""A run as server-sent events, for whoever asked with ``stream=True``."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from assistants_server.engine.feed import Feed, Subscription
from assistants_server.store import NotFound, Store
from assistants_server.web.event_headers import EVENT_STREAM, UNBUFFERED
from assistants_server.web.shown import shown
from assistants_server.wire import RunStep

STEP_COMPLETED = "thread.run.step.completed"
DONE = "event: done\ndata: [DONE]\n\n"


class EventStream(StreamingResponse):
    """Sends the events of a run from now on, up to its end or to where it waits for its client.

    Make it before the run is started. A client that goes away does not stop the run.

    Args:
        contents: the store, if a completed step is to be sent with the passages that were found.
    """

    def __init__(self, feed: Feed, run_id: str, contents: Store | None = None) -> None:
        self._reading = ExitStack()
        reader = self._reading.enter_context(feed.subscribe(run_id))
        super().__init__(
            _lines(reader, contents),
            media_type=EVENT_STREAM,
            headers=UNBUFFERED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._reading:
            await super().__call__(scope, receive, send)


async def _lines(reader: Subscription, contents: Store | None) -> AsyncIterator[str]:
    async for event, data in reader:
        if contents and event == STEP_COMPLETED:
            with suppress(NotFound):  # deleted meanwhile
                step = contents.get(RunStep, RunStep.model_validate_json(data).id)
                data = shown(step)
        yield f"event: {event}\ndata: {data}\n\n"
    yield DONE
