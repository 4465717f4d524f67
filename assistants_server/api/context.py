"""What every endpoint may ask for: the store, and the engine that executes runs."""

import time
from typing import Annotated

from fastapi import Depends, Request

from assistants_server.engine import Engine
from assistants_server.store import Store


async def _store(request: Request) -> Store:
    return request.app.state.store


async def _engine(request: Request) -> Engine:
    return request.app.state.engine


TheStore = Annotated[Store, Depends(_store)]
TheEngine = Annotated[Engine, Depends(_engine)]


def now() -> int:
    """Return the time as OpenAI writes it: whole seconds since 1970."""
    return int(time.time())
