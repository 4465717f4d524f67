"""Servers and clients for tests. A server is stopped whatever becomes of the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openai import OpenAI

from assistants_server.server import Server


@contextmanager
def serving(database: Path, **settings: Any) -> Iterator[Server]:
    """Serve the Assistants API in a thread. The settings are those of `Server`."""
    server = Server(database, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def client_of(server: Server) -> OpenAI:
    """Return a client that asks once: a test sees every answer, also those that can be retried."""
    return OpenAI(base_url=server.base_url, api_key=server.token, max_retries=0)


@contextmanager
def connected(database: Path, **settings: Any) -> Iterator[OpenAI]:
    """Yield a client of a server of its own. The settings are those of `Server`."""
    with serving(database, **settings) as server, client_of(server) as client:
        yield client
