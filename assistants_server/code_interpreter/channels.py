"""Sends and receives Jupyter messages over two connections to a kernel, shell and iopub.

See https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.session import DELIM, Session

from assistants_server.code_interpreter.zmtp import TooLarge, ZmtpConnection

SECONDS_TO_ANSWER = 0.5
QUEUED = 4  # messages; a kernel that sends more has to wait
LARGE = 1 << 18
MOST_MARKS = 100_000


@dataclass(frozen=True)
class Message:
    """A message of a kernel. The code that the kernel runs can forge any of it."""

    kind: str  # such as "stream" or "status"
    request: str  # the id of the request that it belongs to
    content: Any  # JSON


class Channels:
    """The connections to one kernel: requests are sent on shell, outputs are received on iopub."""

    def __init__(self, connection: KernelConnectionInfo) -> None:
        self._address = connection
        self._session = Session(key=connection["key"].encode())
        self._inbox: asyncio.Queue[Message | TooLarge | None] = asyncio.Queue(QUEUED)
        self._connections: list[ZmtpConnection] = []
        self._readers: list[asyncio.Task] = []

    @property
    def received(self) -> int:
        """The number of bytes received from the kernel so far."""
        return sum(connection.received for connection in self._connections)

    async def open(self) -> bool:
        """Connect. Return False if the kernel does not listen yet."""
        transport, ip = self._address["transport"], self._address["ip"]
        shell, iopub = self._address["shell_port"], self._address["iopub_port"]
        try:
            self._connections.append(await ZmtpConnection.connect(transport, ip, shell, "DEALER"))
            self._connections.append(await ZmtpConnection.connect(transport, ip, iopub, "SUB"))
        except (OSError, EOFError):
            self.close()
            self._connections.clear()
            return False
        self._readers = [asyncio.create_task(self._read(each)) for each in self._connections]
        return True

    async def answers(self) -> None:
        """Wait for an answer on both connections; raise `EOFError` if the kernel has ended.

        The request is repeated, because outputs sent before the kernel has processed the
        subscription are lost.
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
        await self._connections[0].send(self._session.serialize(message))
        return message["msg_id"]

    async def receive(self) -> Message | TooLarge | None:
        """Return the next message, or None when the kernel has closed a connection."""
        return await self._inbox.get()

    def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        for connection in self._connections:
            connection.close()

    async def _read(self, connection: ZmtpConnection) -> None:
        try:
            while True:
                parts = await connection.receive()
                message = parts if isinstance(parts, TooLarge) else await self._decoded(parts)
                if message is not None:
                    await self._inbox.put(message)
                await asyncio.sleep(0)  # reading buffered messages does not yield by itself
        except (OSError, EOFError):
            await self._inbox.put(None)

    async def _decoded(self, parts: list[bytes]) -> Message | TooLarge | None:
        size = sum(map(len, parts))
        if size < LARGE:
            return self._decode(parts)
        # A large text or figure is one long string. But parsing millions of small JSON values would
        # hold the interpreter's lock, and so block the event loop, for a second.
        if sum(part.count(mark) for part in parts for mark in (b"[", b"{", b",")) > MOST_MARKS:
            return TooLarge()
        return await asyncio.to_thread(self._decode, parts)

    def _decode(self, parts: list[bytes]) -> Message | None:
        """Return a message, or None if the parts are not a valid message."""
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
