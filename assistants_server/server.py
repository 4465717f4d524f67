"""Serves the API: in a background thread of this process, or alone in the foreground."""

import os
import secrets
import socket
import threading
from pathlib import Path

import uvicorn

from assistants_server.app import create_app
from assistants_server.engine import Upstream
from assistants_server.store import Store

LOOPBACK = "127.0.0.1"
SECONDS_TO_FINISH = 5


def default_database() -> Path:
    """Return where the database lies: `ASSISTANTS_DB`, or a folder of this repository."""
    here = Path(__file__).resolve().parent.parent / ".assistants" / "assistants.db"
    return Path(os.environ.get("ASSISTANTS_DB") or here)


class Server:
    """An Assistants API on an address of its own.

    Args:
        database: the SQLite file; created if need be.
        host: the address to listen on.
        port: the port, or 0 for one that is free.
        upstream: who answers model turns; without it the tutor does, offline.

    Attributes:
        base_url: what a client needs as its base URL.
        token: what a client needs as its API key; a new one each time.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
        StoreError: the database cannot be used.
    """

    def __init__(
        self,
        database: Path,
        host: str = LOOPBACK,
        port: int = 0,
        upstream: Upstream | None = None,
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._socket = listen(host, port)
        self.base_url = f"http://{host}:{self._socket.getsockname()[1]}/v1"
        try:
            store = Store(database)
        except BaseException:
            self._socket.close()
            raise
        tutor = Upstream(self.base_url, self.token)
        app = create_app(store, self.token, upstream or tutor, offline=upstream is None)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
        )
        self._uvicorn = _Uvicorn(config)
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until interrupted."""
        self._uvicorn.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve in a background thread. Returns at once: the socket is already listening."""
        self._thread = threading.Thread(target=self.run, name="assistants_server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, end what still runs, close the database, and wait until it is done."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()


class _Uvicorn(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # First the runs: offline they hold connections to this very server, which would wait.
        await self.config.app.state.engine.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on that address, port 0 for one that is free.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """
    # Without IPPROTO_TCP asyncio leaves Nagle's algorithm on, and every answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener
