"""What one client was promised: the objects that a server acknowledged, and how they must read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class State(Enum):
    """What a client knows of an object."""

    THERE = "there"  # acknowledged
    IN_DOUBT = "in doubt"  # a request to delete it had no answer
    GONE = "gone"  # its deletion was acknowledged


@dataclass
class Promise:
    """One object that a server acknowledged.

    Attributes:
        path: where it is retrieved, below ``/v1``.
        listed: the list that it must be in.
        fields: the fields of the answer that are known.
        content: what ``path/content`` must answer, if it has content: the bytes of a file, or
            the passages of a vector store's file.
        server: the process that took it, for a run.
    """

    path: str
    listed: str
    fields: dict[str, Any] = field(default_factory=dict)
    content: bytes | list[str] | None = None
    state: State = State.THERE
    server: int | None = None
    checked: bool = False

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]


class Ledger:
    """The promises that one client holds. For one thread at a time."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._promises: dict[str, Promise] = {}

    def add(self, promise: Promise) -> Promise:
        """Note an object whose creation was acknowledged."""
        self.acknowledged += 1
        self._promises[promise.path] = promise
        return promise

    def all(self) -> list[Promise]:
        """Return every promise."""
        return list(self._promises.values())

    def there(self, listed: str) -> list[Promise]:
        """Return the promises of one list that hold."""
        return [
            promise
            for promise in self._promises.values()
            if promise.listed == listed and promise.state is State.THERE
        ]

    @contextmanager
    def changing(self, promise: Promise, fields: dict[str, Any]) -> Iterator[None]:
        """Send a request inside that sets these fields.

        If it raises, nothing is known of them any more.
        """
        promise.checked = False
        for name in fields:
            promise.fields.pop(name, None)
        yield
        self.acknowledged += 1
        promise.fields.update(fields)

    @contextmanager
    def deleting(self, promise: Promise, *more: Promise) -> Iterator[None]:
        """Send a request inside that deletes an object, all below it, and these others.

        If it raises, nothing is known of them any more.
        """
        below = [each for each in self.all() if each.path.startswith(f"{promise.path}/")]
        for each in (promise, *below, *more):
            if each.state is State.THERE:
                each.state = State.IN_DOUBT
            each.checked = False
        yield
        self.acknowledged += 1
        for each in (promise, *below, *more):
            each.state = State.GONE
