"""The Assistants API on an address of its own."""

import secrets
from pathlib import Path

from assistants_server.app import create_app
from assistants_server.engine import Upstream
from assistants_server.store import Store
from assistants_server.web.http_server import (
    ALL_ADDRESSES,
    LOOPBACK,
    HttpServer,
    is_loopback,
    listen,
)


class Server(HttpServer):
    """An Assistants API on an address of its own.

    Args:
        database: the SQLite file; created if need be.
        host: the address to listen on.
        port: the port, or 0 for one that is free.
        upstream: who answers model turns; without it the tutor does, offline.
        token: what clients must send; by default a new one each time.
        unsafe_code: whether code that a model writes may be run without isolation although others
            can reach the server. On loopback it may.

    Attributes:
        base_url: what a client on this machine needs as its base URL.
        all_addresses: whether it listens on all addresses of this machine.
        token: what a client needs as its API key.
        unsafe_code: whether code is run without isolation.

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
        token: str | None = None,
        unsafe_code: bool = False,
    ) -> None:
        self.unsafe_code = unsafe_code or is_loopback(host)
        self.token = token or secrets.token_urlsafe(24)
        self.all_addresses = host in ALL_ADDRESSES
        listener = listen(host, port)
        reached = ALL_ADDRESSES.get(host, host)
        shown = f"[{reached}]" if ":" in reached else reached
        self.base_url = f"http://{shown}:{listener.getsockname()[1]}/v1"
        try:
            store = Store(database)
        except BaseException:
            listener.close()
            raise
        tutor = Upstream(self.base_url, self.token)
        app = create_app(
            store,
            self.token,
            upstream or tutor,
            offline=upstream is None,
            unsafe_code=self.unsafe_code,
        )

        async def end_runs() -> None:
            # Before the connections are waited for: those that stream a run end with it.
            await app.state.engine.close()

        super().__init__(app, listener, "assistants_server", closing=end_runs)
