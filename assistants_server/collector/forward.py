"""Passes on to AgentOps what the collector receives, without anyone having to wait for it."""

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

SECONDS_PER_REQUEST = 30.0
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds before another attempt
MOST_WAITING = 256  # requests; beyond that, or so many bytes, the oldest are given up
MOST_WAITING_BYTES = 64 * 1024 * 1024
MOST_ANSWER_BYTES = 64 * 1024
REFUSED = "{url} did not accept AGENTOPS_API_KEY: {status}"


@dataclass(frozen=True)
class AgentOps:
    """An AgentOps service and a key for it.

    Attributes:
        api: its API, for tokens and logs.
        exporter: where it takes spans.
    """

    key: str = field(repr=False)
    api: str = "https://api.agentops.ai"
    exporter: str = "https://otlp.agentops.ai/v1/traces"


class Forwarder:
    """A queue of requests to AgentOps, and the task that sends them in order.

    A request that fails is tried again, ever more rarely, so that traces arrive when the service
    comes back. The first token is asked for at once, so that a wrong key is known early.
    """

    def __init__(self, service: AgentOps) -> None:
        self._service = service
        self._token: str | None = None
        self._waiting: deque[tuple[str, bytes, dict[str, str]]] = deque()
        self._something = asyncio.Event()
        self._changed = asyncio.Condition()
        self._problem: str | None = None
        self._busy = True
        self._task = asyncio.create_task(self._work())

    def spans(self, body: bytes, headers: dict[str, str]) -> None:
        """Queue an OTLP request."""
        self._add(self._service.exporter, body, headers)

    def api(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Queue a request to the API."""
        self._add(self._service.api + path, body, headers)

    async def settled(self, seconds: float) -> str | None:
        """Wait until everything has arrived, or it is clear that it will not for now.

        Returns:
            Why it has not arrived; None if it has.
        """
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: not self._busy)
        except TimeoutError:
            return self._problem or "no answer yet"
        return self._problem

    async def close(self) -> None:
        """Stop sending. What still waits is given up; the collector has kept it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _add(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        self._waiting.append((url, body, headers))
        while (
            len(self._waiting) > MOST_WAITING
            or sum(len(waiting) for _, waiting, _ in self._waiting) > MOST_WAITING_BYTES
        ):
            self._waiting.popleft()
        self._busy = True
        self._something.set()

    async def _work(self) -> None:
        failures = 0
        async with httpx2.AsyncClient(timeout=SECONDS_PER_REQUEST) as http:
            while True:
                self._something.clear()
                problem = await self._attempt(http)
                failures = failures + 1 if problem else 0
                async with self._changed:
                    self._problem = problem
                    self._busy = self._something.is_set()
                    self._changed.notify_all()
                await self._rest(failures)

    async def _attempt(self, http: httpx2.AsyncClient) -> str | None:
        """Send what waits, oldest first; return what was in the way."""
        rejected = None
        try:
            if self._token is None:
                self._token = await self._fetch_token(http)
            while self._waiting:
                request = self._waiting.popleft()
                try:
                    await self._send(http, *request)
                except _Rejected as rejection:
                    rejected = str(rejection)
                except BaseException:
                    self._waiting.appendleft(request)
                    raise
        except _Trouble as trouble:
            return str(trouble)
        return rejected

    async def _rest(self, failures: int) -> None:
        """Sleep until there is something new; after a failure at most for a while."""
        pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else None
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._something.wait()

    async def _fetch_token(self, http: httpx2.AsyncClient) -> str:
        url = f"{self._service.api}/v3/auth/token"
        status, answer = await _post(http, url, json={"api_key": self._service.key})
        if status in (400, 401, 403):
            raise _Trouble(REFUSED.format(url=self._service.api, status=status))
        if status >= 300:
            raise _Trouble(f"{self._service.api} answered {status}")
        try:
            return str(json.loads(answer)["token"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Trouble(f"{self._service.api} gave no token") from None

    async def _send(
        self, http: httpx2.AsyncClient, url: str, body: bytes, headers: dict[str, str]
    ) -> None:
        authorised = {**headers, "Authorization": f"Bearer {self._token}"}
        status, _ = await _post(http, url, content=body, headers=authorised)
        if status in (401, 403):
            self._token = None  # it may have expired; the next attempt begins with a new one
        if 400 <= status < 500 and status not in (401, 403, 408, 429):
            raise _Rejected(f"{url} answered {status}")
        if status >= 300:
            raise _Trouble(f"{url} answered {status}")


async def _post(http: httpx2.AsyncClient, url: str, **content: Any) -> tuple[int, bytes]:
    """Return the status and the answer, or as much of it as may be of use."""
    try:
        async with (
            asyncio.timeout(SECONDS_PER_REQUEST),
            http.stream("POST", url, **content) as response,
        ):
            answer = b""
            async for part in response.aiter_bytes():
                answer += part
                if len(answer) > MOST_ANSWER_BYTES:
                    break
            return response.status_code, answer
    except (httpx2.TimeoutException, TimeoutError):
        raise _Trouble(f"no answer from {url} within {SECONDS_PER_REQUEST:.0f} s") from None
    except Exception as error:  # a bad address fails in many ways, and the task must live on
        raise _Trouble(f"{url}: {error or type(error).__name__}") from None


class _Trouble(Exception):
    """AgentOps answered, but not as hoped. The text holds no secret."""


class _Rejected(_Trouble):
    """It will not take this request, however often it is sent."""
