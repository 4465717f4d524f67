"""What every endpoint may ask for: the store, the engine that executes runs, the vector stores."""

from typing import Annotated

from fastapi import Depends, Request

from assistants_server.engine import Engine
from assistants_server.file_search import Library
from assistants_server.store import Store


async def _store(request: Request) -> Store:
    return request.app.state.store


async def _engine(request: Request) -> Engine:
    return request.app.state.engine


async def _library(request: Request) -> Library:
    return request.app.state.engine.library


TheStore = Annotated[Store, Depends(_store)]
TheEngine = Annotated[Engine, Depends(_engine)]
TheLibrary = Annotated[Library, Depends(_library)]
