"""What the server and a kernel say to each other: Jupyter's messages, over two connections."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from jupyter_client.session import DELIM, Session

from assistants_server.code_interpreter.wire import TooLarge, Wire

SECONDS_TO_ANSWER = 0.5
WAITING = 4  # messages; whoever sends more has to wait
LARGE = 1 << 18
MOST_MARKS = 100_000


@dataclass(frozen=True)
class Message:
    """A message of a kernel. Code can forge it: nothing is certain of its content.

    Attributes:
        kind: such as "stream" or "status".
        request: the id of the message that it answers.
    """

    kind: str
    request: str
    content: Any


class Channels:
    """The connections to one kernel: requests go out on one, outputs come in on the other.

    Args:
        connection: what the kernel's connection file says.
    """

    def __init__(self, connection: dict[str, Any]) -> None:
        self._connection = connection
        self._session = Session(key=connection["key"].encode())
        self._inbox: asyncio.Queue[Message | TooLarge | None] = asyncio.Queue(WAITING)
        self._wires: list[Wire] = []
        self._readers: list[asyncio.Task] = []

    @property
    def received(self) -> int:
        """How many bytes the kernel has sent so far."""
        return sum(wire.received for wire in self._wires)

    async def open(self) -> bool:
        """Connect; return False if the kernel does not listen yet."""
        there = self._connection
        try:
            for port, kind in (("shell_port", "DEALER"), ("iopub_port", "SUB")):
                wire = await Wire.connect(there["transport"], there["ip"], there[port], kind)
                self._wires.append(wire)
        except (OSError, EOFError):
            self.close()
            self._wires.clear()
            return False
        self._readers = [asyncio.create_task(self._read(wire)) for wire in self._wires]
        return True

    async def answers(self) -> None:
        """Wait until the kernel has answered a request on both connections.

        The first outputs may be lost, because the kernel learns of the subscription a bit later.

        Raises:
            EOFError: it has ended.
        """
        while True:
            missing = {"status", "kernel_info_reply"}
            request = await self.send("kernel_info_request", {})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_TO_ANSWER):
                    while missing:
                        match await self.receive():
                            case Message(kind=kind, request=found) if found == request:
                                missing.discard(kind)
                            case None:
                                raise EOFError("the kernel has ended")
                    return

    async def send(self, kind: str, content: dict[str, Any]) -> str:
        """Send a request and return its id."""
        message = self._session.msg(kind, content)
        await self._wires[0].send(self._session.serialize(message))
        return message["msg_id"]

    async def receive(self) -> Message | TooLarge | None:
        """Return the next message, or None when the kernel has closed a connection."""
        return await self._inbox.get()

    def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        for wire in self._wires:
            wire.close()

    async def _read(self, wire: Wire) -> None:
        try:
            while True:
                parts = await wire.receive()
                message = parts if isinstance(parts, TooLarge) else await self._decoded(parts)
                if message is not None:
                    await self._inbox.put(message)
                await asyncio.sleep(0)  # what has come already is read without waiting
        except (OSError, EOFError):
            await self._inbox.put(None)

    async def _decoded(self, parts: list[bytes]) -> Message | TooLarge | None:
        size = sum(map(len, parts))
        if size < LARGE:
            return self._decode(parts)
        # A large text or figure is one long string; millions of small things would take the
        # interpreter, and with it the event loop, for a second.
        if sum(part.count(mark) for part in parts for mark in (b"[", b"{", b",")) > MOST_MARKS:
            return TooLarge()
        return await asyncio.to_thread(self._decode, parts)

    def _decode(self, parts: list[bytes]) -> Message | None:
        """Return a message, or None for nonsense."""
        try:
            signature, *signed = parts[parts.index(DELIM) + 1 :][:5]
            if not compare_digest(signature, self._session.sign(signed)):
                return None
            header, parent, _, content = (json.loads(part) for part in signed)
            kind, request = header["msg_type"], parent["msg_id"]
            if isinstance(kind, str) and isinstance(request, str):
                return Message(kind, request, content)
        except (ValueError, TypeError, LookupError, RecursionError):
            pass
        return None
