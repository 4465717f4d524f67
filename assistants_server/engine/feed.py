"""Publishes a run's events to subscribers."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import BaseModel

from assistants_server.engine.states import ENDED, Ended
from assistants_server.web.shown import shown
from assistants_server.wire import RunStep

ERROR = "error"
LAST = {ERROR, *(f"thread.run.{status}" for status in (*ENDED, "requires_action"))}
MOST_WAITING = 64  # events; a subscriber that is further behind gets the next deltas joined


@dataclass
class Delta:
    """A piece of text that may be joined with the one before it.

    Attributes:
        key: what it belongs to; only pieces of the same are joined.
        build: makes the event's data of the text.
    """

    event: str
    key: tuple
    text: str
    build: Callable[[str], BaseModel]


class Subscription:
    """The events of one run for one subscriber.

    A slow subscriber delays nobody. What waits for it is bounded by what the run writes.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, str] | Delta] = deque()
        self._some = asyncio.Event()

    def push(self, item: tuple[str, str] | Delta) -> None:
        """Add an event."""
        last = self._waiting[-1] if len(self._waiting) > MOST_WAITING else None
        if isinstance(item, Delta) and isinstance(last, Delta) and last.key == item.key:
            last.text += item.text
        else:
            # A copy, since the others' joining must not change what waits here.
            copied = Delta(**vars(item)) if isinstance(item, Delta) else item
            self._waiting.append(copied)
        self._some.set()

    async def __aiter__(self) -> AsyncIterator[tuple[str, str]]:
        """Yield name and data, up to the event that ends the stream."""
        while True:
            while not self._waiting:
                self._some.clear()
                await self._some.wait()
            item = self._waiting.popleft()
            if isinstance(item, Delta):
                yield item.event, _json(item.build(item.text))
                continue
            yield item
            if item[0] in LAST:
                return


class Feed:
    """The subscriptions to runs. Used from the server's event loop only."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, list[Subscription]] = {}

    @contextmanager
    def subscribe(self, run_id: str) -> Iterator[Subscription]:
        """Receive the events of a run while in here."""
        subscription = Subscription()
        self._subscriptions.setdefault(run_id, []).append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[run_id].remove(subscription)
            if not self._subscriptions[run_id]:
                del self._subscriptions[run_id]

    def publish(self, run_id: str, event: str, data: BaseModel) -> None:
        """Publish an event of a run. Of a step, only what is `public`."""
        if run_id in self._subscriptions:
            data = data.public if isinstance(data, RunStep) else data
            self._push(run_id, (event, _json(data)))

    def publish_piece(self, run_id: str, delta: Delta) -> None:
        """Publish a piece of text."""
        if run_id in self._subscriptions and delta.text:
            self._push(run_id, delta)

    def publish_end(self, ended: Ended) -> None:
        """Publish the end of a run, and of what ended with it."""
        for item in (*ended.parts, ended.run):
            self.publish(ended.run.id, f"{item.object}.{item.status}", item)

    def close(self, run_id: str, why: str) -> None:
        """End the streams of a run that have not received its end, with an error."""
        if run_id in self._subscriptions:
            error = {"message": why, "type": "server_error", "param": None, "code": None}
            self._push(run_id, (ERROR, json.dumps({"error": error})))

    def _push(self, run_id: str, item: tuple[str, str] | Delta) -> None:
        for subscription in self._subscriptions[run_id]:
            subscription.push(item)


def _json(data: BaseModel) -> str:
    # In a delta, what is not there has not changed; null would say that it is now null.
    is_delta = getattr(data, "object", "").endswith(".delta")
    return shown(data, exclude_none=is_delta)
