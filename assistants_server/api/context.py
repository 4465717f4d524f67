"""What every endpoint may ask for: the store, the engine that executes runs, the vector stores."""

from typing import Annotated

from fastapi import Depends, Request

from assistants_server.engine import Engine
from assistants_server.file_search import Library
from assistants_server.store import Store
from assistants_server.web.errors import ApiError

SECONDS_TO_WAIT = 10  # while another process writes to the same file
READING = ("GET", "HEAD")


async def _store(request: Request) -> Store:
    await _ready(request)
    return request.app.state.store


async def _engine(request: Request) -> Engine:
    await _ready(request)
    return request.app.state.engine


async def library_of(request: Request) -> Library:
    await _ready(request)
    return request.app.state.engine.library


async def _ready(request: Request) -> None:
    """Wait until what the request changes can be written, without holding up the others.

    Raises:
        ApiError: 503, the server is stopping, and would not finish what the request begins.
        Busy: another process has been writing for all that time.
    """
    if request.app.state.engine.closing:
        raise ApiError(503, "The server is stopping.")
    if request.method not in READING and not hasattr(request.state, "waited"):
        request.state.waited = True  # for all that the endpoint asks for
        await request.app.state.store.writable(SECONDS_TO_WAIT)


TheStore = Annotated[Store, Depends(_store)]
TheEngine = Annotated[Engine, Depends(_engine)]
TheLibrary = Annotated[Library, Depends(library_of)]
