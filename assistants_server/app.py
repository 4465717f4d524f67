"""Puts the server together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from assistants_server.api import (
    assistants,
    files,
    health,
    messages,
    pass_through,
    run_steps,
    runs,
    threads,
    tool_outputs,
    vector_store_files,
    vector_stores,
)
from assistants_server.engine import Engine, Upstream
from assistants_server.logs import LogRequests
from assistants_server.offline import chat_completions, embeddings, responses
from assistants_server.offline.tutors import tutors
from assistants_server.store import Store
from assistants_server.web import errors
from assistants_server.web.auth import RequireToken
from assistants_server.web.azure import AzureAddresses
from assistants_server.web.body_limits import LimitBody


def create_app(
    store: Store, token: str, upstream: Upstream, *, offline: bool, unsafe_code: bool = True
) -> FastAPI:
    """Return the ASGI application.

    Args:
        store: the open database. The application closes it when it shuts down.
        token: what clients must send as their API key.
        upstream: where model turns come from.
        offline: whether this server answers model turns itself, with the tutor.
        unsafe_code: whether code may be run without isolation.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.store = store
        tutor = responses.answer if offline else None
        app.state.engine = Engine(store, upstream, unsafe_code, tutor)
        await app.state.engine.open()
        async with tutors() if offline else pass_through.client_for(upstream) as http:
            app.state.pass_through = http
            yield
            await app.state.engine.close()
        store.close()

    # FastAPI would trace each request, in traces of their own among those of the program around it.
    silent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = FastAPI(
        title="Assistants API",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        telemetry=silent,
        redirect_slashes=False,
    )
    app.add_middleware(LimitBody)
    app.add_middleware(RequireToken, token=token, open_path=health.PATH)
    app.state.upstream = upstream
    app.state.mode = "offline" if offline else "live"
    errors.install(app)
    # The first that matches answers, so what is asked most often comes first. /threads/runs must
    # come before /threads/{thread_id}, and what takes all that is left after everything else.
    turns = (responses, chat_completions, embeddings) if offline else ()
    rooms = (runs, messages, threads, *turns, run_steps, tool_outputs, assistants, files)
    rooms += (vector_stores, vector_store_files, health)
    app.router.routes[:0] = [route for room in rooms for route in room.router.routes]
    if not offline:
        app.router.routes += pass_through.router.routes
    # Around all of Starlette's, since an answer to an unexpected error comes from its outermost.
    app.middleware_stack = LogRequests(AzureAddresses(app.build_middleware_stack()))
    return app
