"""The collector on an address of its own."""

import asyncio
import uuid
from pathlib import Path

from assistants_server.collector.app import create_app
from assistants_server.collector.forward import AgentOps, Forwarder
from assistants_server.collector.spans import Span
from assistants_server.collector.storage import Storage
from assistants_server.web.http_server import LOOPBACK, HttpServer, listen


class Collector(HttpServer):
    """Takes what AgentOps' exporter sends, keeps it, and passes it on if it is told where to.

    Listens on loopback, on a free port.

    Args:
        database: the SQLite file; created if need be.
        agentops: the service to pass everything on to; None keeps it here.

    Attributes:
        url: what AgentOps' client needs as its endpoint.
        token: what it needs as its key; a new one each time.
    """

    def __init__(self, database: Path, agentops: AgentOps | None = None) -> None:
        self.token = str(uuid.uuid4())  # AgentOps' client wants its keys to look like this
        self.agentops = agentops
        self._storage = Storage(database)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forwarder: Forwarder | None = None
        listener = listen(LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        app = create_app(self._storage, self.token, self._make_forwarder)
        super().__init__(app, listener, "collector")

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that have arrived, by their start."""
        return self._storage.spans(trace_id)

    def log(self, trace_id: str) -> str:
        """Return the prints of a trace that have arrived."""
        return self._storage.log(trace_id)

    def undelivered(self, seconds: float) -> str | None:
        """Wait until everything has gone on to AgentOps; return why not, or None if it has."""
        if self._forwarder is None:
            return None
        settled = asyncio.run_coroutine_threadsafe(self._forwarder.settled(seconds), self._loop)
        return settled.result()

    def stop(self) -> None:
        """Stop serving, close the file, and wait until it is done."""
        super().stop()
        self._storage.close()

    def _make_forwarder(self) -> Forwarder | None:
        self._loop = asyncio.get_running_loop()
        if self.agentops is not None:
            self._forwarder = Forwarder(self.agentops)
        return self._forwarder
