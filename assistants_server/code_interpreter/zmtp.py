"""A ZeroMQ connection to a kernel, implemented with asyncio streams.

libzmq would read messages of any size and any number of parts into memory before they could be
rejected. Here the length of each part is checked before the part is read. The protocol is ZMTP 3.0
(https://rfc.zeromq.org/spec/23).
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Literal, Self

from assistants_server.code_interpreter import sandbox_limits

MORE, LONG, COMMAND = 1, 2, 4
MOST_PARTS = 64
MOST_DROPPED = 8 * sandbox_limits.OUTPUT_BYTES
CHUNK = 1 << 16
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


@dataclass(frozen=True)
class TooLarge:
    """Replaces a message that was larger than the limit and has been dropped."""


class ZmtpConnection:
    """One connection to a kernel. Create it with `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.received = 0  # bytes so far

    @classmethod
    async def connect(
        cls, transport: str, ip: str, port: int, kind: Literal["SUB", "DEALER"]
    ) -> Self:
        """Connect to a kernel's socket, acting as a ZeroMQ socket of this kind.

        The transport is "tcp", or "ipc" for the Unix socket "ip-port". Raises `OSError` if no kernel
        listens there, and `EOFError` if the peer does not speak ZMTP 3.
        """
        if transport == "ipc":
            connection = cls(*await asyncio.open_unix_connection(f"{ip}-{port}"))
        else:
            connection = cls(*await asyncio.open_connection(ip, port))
        try:
            await connection._shake_hands(kind)
        except BaseException:
            connection.close()
            raise
        return connection

    async def send(self, parts: list[bytes]) -> None:
        """Send a message; raise `OSError` if the connection has ended."""
        last = len(parts) - 1
        frames = (_frame(part, MORE if n < last else 0) for n, part in enumerate(parts))
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def receive(self) -> list[bytes] | TooLarge:
        """Return the parts of the next message. Once this was cancelled, the connection is unusable.

        Raises `OSError` or `EOFError` if the connection has ended, or violates the protocol.
        """
        parts: list[bytes] = []
        size, dropped, more = 0, 0, True
        while more:
            flags, length = await self._frame_header()
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

    async def _shake_hands(self, kind: str) -> None:
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode()
        self._writer.write(GREETING + _frame(ready, COMMAND))
        await self._exactly(len(GREETING))
        flags, length = await self._frame_header()
        if not flags & COMMAND or length > CHUNK:
            raise EOFError("the kernel does not speak ZMTP 3")
        await self._exactly(length)
        if kind == "SUB":
            self._writer.write(_frame(b"\x01"))  # subscribe to all topics
        await self._writer.drain()

    async def _frame_header(self) -> tuple[int, int]:
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
        """Read and discard `length` bytes; return how many to count. Short parts count as a chunk.

        So a message of endlessly many empty parts reaches `MOST_DROPPED` too.
        """
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
