"""Serves an application on a socket: in the foreground, or in a background thread."""

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp

from assistants_server.web.connection import Connection, note_accept_trouble

LOOPBACK = "127.0.0.1"
# Who listens on all addresses can be reached on this one.
ALL_ADDRESSES = {"0.0.0.0": LOOPBACK, "::": "::1"}
SECONDS_TO_FINISH = 5
QUEUE = 2048
# In each round of the event loop. Who has to make room for a newcomer is closed three rounds later,
# so three times as many must fit into connection.FILES_FOR_THE_REST.
ACCEPTED_AT_ONCE = 4
TICKS_A_SECOND = 10  # uvicorn's


class HttpServer:
    """An application on a socket that already listens.

    `closing` is awaited when the server stops, before it closes its connections.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        name: str,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        _bypass_proxy()
        config = uvicorn.Config(
            app,
            log_config=None,  # logging belongs to the program around it
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
            http=Connection,
            ws="none",
            proxy_headers=False,
            backlog=ACCEPTED_AT_ONCE,
        )
        self._uvicorn = _Uvicorn(config, closing)
        self._listener = listener
        self._name = name
        self._thread: threading.Thread | None = None

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until interrupted.

        Args:
            ready: called once requests are answered and a signal ends the server in order.
        """
        self._uvicorn.ready = ready
        self._uvicorn.run(sockets=[self._listener])

    def start(self) -> None:
        """Serve in a background thread. Returns at once: the socket is already listening."""
        self._thread = threading.Thread(target=self.run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()


class _Uvicorn(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, closing: Callable[[], Awaitable[None]] | None
    ) -> None:
        super().__init__(config)
        self._closing = closing
        self.ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        note_accept_trouble(asyncio.get_running_loop())
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(QUEUE)  # asyncio has made it as short as `backlog`
        if self.started and self.ready is not None:
            self.ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):  # all are, which uvicorn's types do not know
                    connection.close_if_late(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._closing is not None:
            await self._closing()
        await super().shutdown(sockets)


def _bypass_proxy() -> None:
    """Let clients in this process reach loopback directly, whatever proxy the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = os.environ.get(name, "").split(",")
        if LOOPBACK not in hosts:
            os.environ[name] = ",".join([*filter(None, hosts), LOOPBACK])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on that address, port 0 for one that is free.

    Raises `OSError` if the port is in use, or the host is not an address of this machine.
    """
    # Without IPPROTO_TCP asyncio leaves Nagle's algorithm on, and every answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(QUEUE)
    except BaseException:
        listener.close()
        raise
    return listener


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
