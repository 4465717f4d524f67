"""Writes spans to the file as they end, and what was printed; nobody waits for the file."""

import json
import os
import sqlite3
import threading
import time
from collections import deque

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from helpers.tracing import switches
from helpers.tracing.delivery import Delivery
from helpers.tracing.spans import otlp_requests, plain_spans
from helpers.tracing.storage import Storage

MOST_WAITING = 20_000  # spans; beyond that, while the file cannot be written, the oldest go
MOST_AT_ONCE = 512
SECONDS_TO_GATHER = 0.1


class FileProcessor(SpanProcessor):
    """Applies the switches to each span that ends, keeps it, and tells a delivery if there is one.

    A thread writes them together. A file that is locked or full is tried again until it can be
    written. A forked process may end without notice, so there each span is written at once.
    """

    def __init__(self, storage: Storage, delivery: Delivery | None) -> None:
        self.storage, self.delivery = storage, delivery
        self._service = delivery.service.id if delivery else ""
        self._begin()
        self._due, self._stopping = threading.Event(), False
        self._parent = os.getpid()
        threading.Thread(target=self._work, name="traces", daemon=True).start()

    def on_end(self, span: ReadableSpan) -> None:
        if not span.context.trace_flags.sampled:
            return
        if self._pid != os.getpid():
            self._begin()
        self._ended.append(switches.allowed(span))
        if self._pid != self._parent:
            self.force_flush()
        else:
            self._due.set()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write what has ended; return whether the file could be written."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            while self._ended:
                spans = [self._ended.popleft() for _ in range(min(len(self._ended), MOST_AT_ONCE))]
                requests = otlp_requests(spans) if self.delivery else []
                try:
                    self.storage.add(plain_spans(spans), self._service, requests)
                except sqlite3.Error:
                    self._ended.extendleft(reversed(spans))
                    return False
                self._wake()
        return True

    def shutdown(self) -> None:
        """Write what has ended; write nothing more in the background."""
        if os.getpid() == self._parent:
            self._stopping = True
            self._due.set()
        self.force_flush()

    def add_log(self, trace_id: str, text: str) -> None:
        """Keep what was printed during a trace; raise `sqlite3.Error` if that is not possible."""
        requests = [json.dumps({"body": text}).encode()] if self.delivery else []
        self.storage.add_log(trace_id, text, self._service, requests)
        self._wake()

    def _begin(self) -> None:
        self._ended: deque[ReadableSpan] = deque(maxlen=MOST_WAITING)
        self._lock, self._pid = threading.Lock(), os.getpid()

    def _wake(self) -> None:
        if self.delivery is not None and self._pid == self._parent:
            self.delivery.wake()

    def _work(self) -> None:
        while self._due.wait() and not self._stopping:
            time.sleep(SECONDS_TO_GATHER)
            self._due.clear()
            if not self.force_flush():
                self._due.set()
