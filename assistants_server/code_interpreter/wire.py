"""A ZeroMQ connection to a kernel, read with asyncio.

A socket of libzmq takes in whatever its peer sends, as many parts as it likes, before anybody can
count them. Here each length is looked at before its bytes are read. The protocol is ZMTP 3.0
(https://rfc.zeromq.org/spec/23).
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Literal

from assistants_server.code_interpreter import sandbox_limits

MORE, LONG, COMMAND = 1, 2, 4
MOST_PARTS = 64
MOST_DROPPED = 8 * sandbox_limits.OUTPUT_BYTES
CHUNK = 1 << 16
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


@dataclass(frozen=True)
class TooLarge:
    """Stands for a message that was larger than the limit, and was not kept."""


class Wire:
    """One connection. `connect` makes it.

    Attributes:
        received: how many bytes have come so far.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.received = 0

    @classmethod
    async def connect(cls, transport: str, ip: str, port: int, kind: Literal["SUB", "DEALER"]):
        """Return a connection to a kernel's socket, ready for messages.

        Raises:
            OSError: nobody listens there.
            EOFError: the peer does not speak the protocol.
        """
        if transport == "ipc":
            wire = cls(*await asyncio.open_unix_connection(f"{ip}-{port}"))
        else:
            wire = cls(*await asyncio.open_connection(ip, port))
        try:
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode()
            wire._writer.write(GREETING + _frame(ready, COMMAND))
            await wire._exactly(len(GREETING))
            flags, length = await wire._head()
            if not flags & COMMAND or length > CHUNK:
                raise EOFError("the kernel does not speak ZMTP 3")
            await wire._exactly(length)
            if kind == "SUB":
                wire._writer.write(_frame(b"\x01"))  # to everything
            await wire._writer.drain()
        except BaseException:
            wire.close()
            raise
        return wire

    async def send(self, parts: list[bytes]) -> None:
        """Send a message.

        Raises:
            OSError: the connection has ended.
        """
        last = len(parts) - 1
        frames = (_frame(part, MORE if n < last else 0) for n, part in enumerate(parts))
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def receive(self) -> list[bytes] | TooLarge:
        """Return the parts of the next message. Not to be cancelled in the middle.

        Raises:
            OSError, EOFError: the connection has ended, or what came is no message.
        """
        parts, size, dropped, more = [], 0, 0, True
        while more:
            flags, length = await self._head()
            size += length
            more = bool(flags & MORE)
            if dropped or size > sandbox_limits.MESSAGE_BYTES or len(parts) == MOST_PARTS:
                parts.clear()
                dropped += await self._drop(length)
                if dropped > MOST_DROPPED:
                    raise EOFError("a message without an end")
            elif flags & COMMAND:
                await self._exactly(length)
                more = True
            else:
                parts.append(await self._exactly(length))
        return TooLarge() if dropped else parts

    def close(self) -> None:
        self._writer.close()

    async def _head(self) -> tuple[int, int]:
        flags, length = await self._exactly(2)
        if flags & LONG:
            rest = await self._exactly(7)
            length = int.from_bytes(bytes([length]) + rest)
        return flags, length

    async def _exactly(self, length: int) -> bytes:
        data = await self._reader.readexactly(length)
        self.received += length
        return data

    async def _drop(self, length: int) -> int:
        """Read `length` bytes and keep none; return how much that counts: no part counts nothing."""
        left = min(length, MOST_DROPPED + 1)
        while left:
            chunk = await self._reader.read(min(left, CHUNK))
            if not chunk:
                raise EOFError("the connection ended within a message")
            left -= len(chunk)
            self.received += len(chunk)
        return max(CHUNK, length)


def _frame(data: bytes, flags: int = 0) -> bytes:
    if len(data) < 256:
        return bytes([flags, len(data)]) + data
    return bytes([flags | LONG]) + len(data).to_bytes(8) + data
