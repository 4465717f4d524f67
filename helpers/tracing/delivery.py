"""Sends to AgentOps what the file says it is still to get, without anyone having to wait for it.

OpenTelemetry's exporter takes spans that are in memory; what a program could not send would be lost
with it. Here its requests, in its own encoding, wait in the file, and the next program sends them.
"""

import json
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from threading import Condition, Event, Thread
from typing import Any

import httpx2

from helpers.tracing.storage import Storage, Unsent

SECONDS_PER_REQUEST = 30.0
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds before another attempt; the last also between looks
MOST_ANSWER_BYTES = 64 * 1024
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class AgentOps:
    """An AgentOps service and a key for it."""

    key: str = field(repr=False)
    api: str = "https://api.agentops.ai"  # for tokens and logs
    exporter: str = "https://otlp.agentops.ai/v1/traces"  # for spans

    @classmethod
    def from_environment(cls) -> "AgentOps | None":
        """Return the service that the environment names, or None if there is no key for it."""
        key = os.environ.get("AGENTOPS_API_KEY")
        if not key:
            return None
        api = (os.environ.get("AGENTOPS_API_ENDPOINT") or cls.api).rstrip("/")
        exporter = os.environ.get("AGENTOPS_EXPORTER_ENDPOINT")
        if not exporter:  # who hosts it must not send spans to the hosted one by an oversight
            exporter = cls.exporter if api == cls.api else f"{api}/v1/traces"
        return cls(key, api, exporter)

    @property
    def id(self) -> str:
        """Names service and key without telling it: what waits for one must not reach another."""
        return sha256(f"{self.api} {self.exporter} {self.key}".encode()).hexdigest()[:16]


class Delivery:
    """A thread that sends, oldest first, what waits for a service.

    A request that fails is tried again, ever more rarely, so that traces arrive when the service
    comes back. The first token is asked for at once, so that a wrong key is known early.
    """

    def __init__(self, service: AgentOps, storage: Storage) -> None:
        self.service = service
        self._storage = storage
        self._pid = os.getpid()
        self._token: str | None = None
        self._sending: Unsent | None = None
        self._due, self._stopping = Event(), False
        self._changed = Condition()
        self._problem: str | None = None
        self._busy = True
        Thread(target=self._work, name="agentops", daemon=True).start()

    def wake(self) -> None:
        """Say that there is something to send."""
        with self._changed:
            self._busy = True
        self._due.set()

    def undelivered(self, seconds: float) -> str | None:
        """Wait until everything has arrived, or return why it will not for now."""
        if self._pid != os.getpid():
            return None  # a forked process leaves it to its parent
        with self._changed:
            if not self._changed.wait_for(lambda: not self._busy, seconds):
                return self._problem or "no answer yet"
            return self._problem

    def stop(self) -> None:
        """Send nothing more; leave what has not arrived to the next program."""
        if self._pid != os.getpid():
            return
        self._stopping = True
        self._due.set()
        self._put_back()

    def _work(self) -> None:
        failures = 0
        while not self._stopping:
            self._due.clear()
            problem = self._attempt()
            failures = failures + 1 if problem else 0
            with self._changed:
                self._problem = problem
                self._busy = self._due.is_set()
                self._changed.notify_all()
            self._due.wait(PAUSES[min(failures, len(PAUSES)) - 1])

    def _attempt(self) -> str | None:
        """Send what waits, oldest first; return what was in the way."""
        rejected = None
        try:
            self._token = self._token or self._fetch_token()
            while not self._stopping and (unsent := self._storage.take(self.service.id)):
                self._sending = unsent
                rejected = self._send(unsent) or rejected
                self._storage.remove(unsent)
                self._sending = None
        except Exception as error:  # also a locked file, a bad proxy: the thread must live on
            self._put_back()
            return str(error) if isinstance(error, _Trouble) else f"{type(error).__name__}: {error}"
        return rejected

    def _put_back(self) -> None:
        unsent, self._sending = self._sending, None
        if unsent is not None:
            with suppress(sqlite3.Error):
                self._storage.put_back(unsent)

    def _fetch_token(self) -> str:
        api = self.service.api
        status, answer = self._post(f"{api}/v3/auth/token", json={"api_key": self.service.key})
        if status in (400, 401, 403):
            raise _Trouble(f"{api} did not accept AGENTOPS_API_KEY: {status}")
        if status >= 300:
            raise _Trouble(f"{api} answered {status}")
        try:
            return str(json.loads(answer)["token"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Trouble(f"{api} gave no token") from None

    def _send(self, unsent: Unsent) -> str | None:
        """Send a request; return the answer if it will not be taken, however often it is sent."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": PROTOBUF}
        url = self.service.exporter
        if unsent.trace_id:
            url = f"{self.service.api}/v4/logs/upload/"
            trace_id = str(int(unsent.trace_id, 16))  # as agentops writes it
            headers |= {"Content-Type": "application/json", "Trace-Id": trace_id}
        status, _ = self._post(url, content=unsent.body, headers=headers)
        if status < 300:
            return None
        if status in (401, 403):
            self._token = None  # it may have expired; the next attempt begins with a new one
        elif 400 <= status < 500 and status not in (408, 429):
            return f"{url} answered {status}"
        raise _Trouble(f"{url} answered {status}")

    @cached_property
    def _http(self) -> httpx2.Client:
        return httpx2.Client(timeout=SECONDS_PER_REQUEST)

    def _post(self, url: str, **content: Any) -> tuple[int, bytes]:
        """Return the status and the answer, or as much of it as may be of use."""
        http = self._http
        try:
            with http.stream("POST", url, **content) as response:
                return response.status_code, next(response.iter_bytes(MOST_ANSWER_BYTES), b"")
        except httpx2.TimeoutException:
            raise _Trouble(f"no answer from {url} within {SECONDS_PER_REQUEST:.0f} s") from None
        except Exception as error:  # a bad address fails in many ways
            raise _Trouble(f"{url}: {error or type(error).__name__}") from None


class _Trouble(Exception):
    """AgentOps cannot be reached, or did not answer as hoped. The text holds no secret."""
