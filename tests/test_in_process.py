"""The transport that speaks to an application of the same process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from assistants_server.engine.in_process import InProcess

SECONDS = 30
START = {"type": "http.response.start", "status": 200, "headers": [(b"x-kind", b"answer")]}


def piece(body: bytes, more: bool = True) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": more}


@asynccontextmanager
async def answering(app: ASGIApp) -> AsyncIterator[httpx2.Response]:
    async with (
        asyncio.timeout(SECONDS),
        httpx2.AsyncClient(transport=InProcess(app), base_url="http://here/v1") as http,
        http.stream("POST", "/say?loud=yes", content=b"asked") as response,
    ):
        yield response


def test_the_application_gets_the_request_and_the_client_its_answer():
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        asked = await receive()
        said = [scope["method"], scope["path"], scope["query_string"].decode()]
        await send({**START, "status": 201})
        await send(piece(" ".join(said).encode() + b" "))
        await send(piece(asked["body"], more=False))

    async def main() -> None:
        async with answering(echo) as response:
            assert response.status_code == 201
            assert response.headers["x-kind"] == "answer"
            assert await response.aread() == b"POST /v1/say loud=yes asked"

    asyncio.run(main())


def test_a_piece_arrives_before_the_response_is_complete():
    async def main() -> None:
        has_first = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(START)
            await send(piece(b"first"))
            await has_first.wait()
            await send(piece(b"last", more=False))

        async with answering(app) as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"first"
            has_first.set()
            assert [each async for each in pieces] == [b"last"]

    asyncio.run(main())


def test_closing_the_response_ends_the_application():
    async def main() -> None:
        ended = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await send(START)
                await send(piece(b"first"))
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with answering(app) as response:
            assert await anext(response.aiter_bytes()) == b"first"
            assert not ended.is_set()
        assert ended.is_set()

    asyncio.run(main())


def test_cancelling_the_request_ends_the_application_that_has_not_answered():
    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def ask() -> None:
            async with answering(app):
                pass

        asking = asyncio.create_task(ask())
        async with asyncio.timeout(SECONDS):
            await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert ended.is_set()

    asyncio.run(main())


@pytest.mark.parametrize("sent", [[], [START], [START, piece(b"first")]])
@pytest.mark.parametrize("raises", [False, True])
def test_an_application_that_breaks_off_raises(sent, raises):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in sent:
            await send(message)
        if raises:
            raise ValueError

    async def main() -> None:
        with pytest.raises(httpx2.RemoteProtocolError, match="broke off"):
            async with answering(app) as response:
                await response.aread()

    asyncio.run(main())
