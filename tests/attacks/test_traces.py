"""Attacks on tracing: absurd spans, a file that cannot be written, and a service without end."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags

from helpers.tracing import processor, storage
from helpers.tracing.delivery import AgentOps, Delivery
from helpers.tracing.processor import FileProcessor
from helpers.tracing.spans import Span
from helpers.tracing.storage import Storage
from tests.agentops_service import KEY, AgentOpsService, Refused, decode
from tests.attacks.waiting import until

MEGABYTE = 1024 * 1024


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Storage]:
    kept = Storage(tmp_path / "traces.db")
    yield kept
    kept.close()


@pytest.fixture
def deliver(kept: Storage) -> Iterator[Callable[[AgentOps], Delivery]]:
    started = []

    def start(service: AgentOps) -> Delivery:
        started.append(Delivery(service, kept))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def write(kept: Storage) -> Iterator[Callable[..., FileProcessor]]:
    started = []

    def start(delivery: Delivery | None = None) -> FileProcessor:
        started.append(FileProcessor(kept, delivery))
        return started[-1]

    yield start
    for each in started:
        each.shutdown()


def service_at(url: str) -> AgentOps:
    return AgentOps(KEY, url, f"{url}/v1/traces")


def ended(number: int = 1, **fields) -> ReadableSpan:
    context = SpanContext(1, number, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    given = {"name": "a", "context": context, "start_time": number, "end_time": number + 1}
    return ReadableSpan(**{**given, **fields})


def names(kept: Storage) -> list[str]:
    return [each.name[:20] for each in kept.everything()]


def written_by_another_program(kept: Storage) -> bool:
    other = Storage(kept._path)
    other.add_log("0" * 32, "from another program")
    other.close()
    return kept.log("0" * 32) == "from another program"


ABSURD = {
    "a start at 2^64-1": {"start_time": 2**64 - 1, "end_time": 2**64 - 1},
    "a start at 2^63": {"start_time": 2**63, "end_time": 2**63},
    "a start at 2^70": {"start_time": 2**70, "end_time": 2**70},
    "an end at 2^64-1": {"end_time": 2**64 - 1},
    "a start before 1970": {"start_time": -5},
    "no times": {"start_time": None, "end_time": None},
    "an event at 2^64-1": {"events": [Event("e", timestamp=2**64 - 1)]},
    "a number of 100 digits": {"attributes": {"n": 10**100}},
    "a number of 10,000 digits": {"attributes": {"n": 10**10_000}},
    "a lone surrogate": {"name": "a\ud800"},
    "a name that is a number": {"name": 5},
    "lists in lists": {"attributes": {"a": [[[["a"]]]]}},
    "an attribute that is an object": {"attributes": {"a": object()}},
    "5 MB": {"name": "x" * 5 * MEGABYTE},
    "40 MB": {"attributes": {str(n): "x" * MEGABYTE for n in range(40)}},
}


@pytest.mark.parametrize("fields", ABSURD.values(), ids=ABSURD)
def test_an_absurd_span_stops_neither_the_others_nor_the_file(
    kept: Storage, write, deliver, fields: dict
):
    with AgentOpsService() as agentops:
        sending = deliver(service_at(agentops.url))
        writing = write(sending)
        spans = [ended(2, name="before"), ended(3, **fields), ended(4, name="after")]
        for span in spans:
            writing.on_end(span)
        assert writing.force_flush()
        assert len(names(kept)) == 3
        assert {"before", "after"} <= set(names(kept))
        assert all(0 <= each.start <= each.end < 2**63 for each in kept.everything())
        assert written_by_another_program(kept)
        assert sending.undelivered(60) is None
        assert {"before", "after"} <= {span.name for span in agentops.spans()}


def test_of_a_span_that_is_too_large_the_frame_is_kept(kept: Storage, write):
    write().on_end(ended(attributes={"a": "x" * 5 * MEGABYTE}))
    (frame,) = until(kept.everything)
    assert (frame.name, frame.attributes) == ("a", {})
    assert frame.message == "Its contents are not kept: more than 4 MB."


def test_a_clock_that_was_set_back_costs_no_span(kept: Storage, write):
    write().on_end(ended(start_time=100, end_time=50))
    (span,) = until(kept.everything)
    assert (span.start, span.end) == (100, 100)


def test_numbers_that_json_does_not_have_are_kept_as_text(kept: Storage, write):
    odd = {"a": float("nan"), "b": float("inf"), "c": float("-inf")}
    write().on_end(ended(attributes=odd))
    (span,) = until(kept.everything)
    assert span.attributes == {"a": "nan", "b": "inf", "c": "-inf"}
    with sqlite3.connect(kept._path) as file:
        (body,) = file.execute("SELECT body FROM spans").fetchone()
    file.close()
    json.loads(body, parse_constant=pytest.fail)


def test_a_lone_surrogate_in_a_print_becomes_a_question_mark(kept: Storage, write):
    write().add_log("7", "a\ud800b")
    assert kept.log("7") == "a?b"


def test_a_locked_file_holds_up_no_span_and_nothing_is_lost(kept: Storage, write, monkeypatch):
    kept._open().execute("PRAGMA busy_timeout = 0")
    attempts, add = [], kept.add
    monkeypatch.setattr(kept, "add", lambda *args: [attempts.append(1), add(*args)])
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(write())
    locked = sqlite3.connect(kept._path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    provider.get_tracer("t").start_span("during").end()  # it would raise, or not come back
    until(lambda: len(attempts) > 2)
    assert names(kept) == []
    locked.execute("ROLLBACK")
    locked.close()
    until(lambda: names(kept) == ["during"])  # without another span


def test_while_a_file_stays_locked_only_so_many_spans_wait(kept: Storage, write, monkeypatch):
    monkeypatch.setattr(processor, "MOST_WAITING", 10)
    kept._open().execute("PRAGMA busy_timeout = 0")
    writing = write()
    locked = sqlite3.connect(kept._path, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    for number in range(1, 100):
        writing.on_end(ended(number, name=str(number)))
    assert not writing.force_flush()
    locked.execute("ROLLBACK")
    locked.close()
    assert writing.force_flush()
    assert names(kept) == [str(number) for number in range(90, 100)]


def test_a_full_disk_loses_only_what_comes_meanwhile(kept: Storage):
    kept.add_log("1", "before")
    limit = kept._open().execute("PRAGMA page_count").fetchone()[0]
    kept._open().execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(sqlite3.Error, match="full"):
        kept.add_log("1", "x" * MEGABYTE)
    kept._open().execute("PRAGMA max_page_count = 1000000")
    kept.add_log("1", ", after")
    assert kept.log("1") == "before, after"
    assert written_by_another_program(kept)


def test_traces_do_not_fill_the_disk(kept: Storage, monkeypatch):
    monkeypatch.setattr(storage, "MOST_BYTES", 4 * MEGABYTE)
    monkeypatch.setattr(storage, "MOST_UNSENT_BYTES", MEGABYTE)
    for number in range(1, 60):
        name = "x" * (MEGABYTE // 4)
        span = Span(f"{number:032x}", f"{number:016x}", "", name, 1, 2, "ok", "", {}, [], {})
        kept.add([span], "service", [b"z" * (MEGABYTE // 4)])
        kept.add_log(f"{number:032x}", "y" * (MEGABYTE // 4))
    assert kept.spans(f"{59:032x}")
    assert kept.log(f"{59:032x}")
    assert kept.spans(f"{1:032x}") == []
    assert kept.log(f"{1:032x}") == ""
    kept.close()
    assert kept._path.stat().st_size < 6 * MEGABYTE


def test_what_a_service_that_is_away_does_not_get_is_bounded(
    kept: Storage, write, deliver, monkeypatch
):
    monkeypatch.setattr(storage, "MOST_UNSENT", 10)
    with Refused() as service:
        writing = write(deliver(service_at(service.url)))
        for number in range(1, 40):
            writing.on_end(ended(number, name=str(number)))
            assert writing.force_flush()
    with sqlite3.connect(kept._path) as file:
        bodies = [decode(body)[0].name for (body,) in file.execute("SELECT body FROM outbox")]
    file.close()
    assert bodies == [str(number) for number in range(30, 40)]
    assert len(kept.everything()) == 39


def test_what_waits_for_one_account_does_not_reach_another(kept: Storage):
    with AgentOpsService(status=500) as agentops:
        mine, theirs = service_at(agentops.url), AgentOps("another key", agentops.url, "")
        kept.add([], mine.id, [b"mine"])
        assert kept.take(theirs.id) is None
        assert KEY not in mine.id
        assert (waiting := kept.take(mine.id))
        assert waiting.body == b"mine"


def test_what_the_service_refuses_for_good_is_not_sent_again(kept: Storage, deliver):
    with AgentOpsService() as agentops:
        sending = deliver(service_at(agentops.url))
        assert sending.undelivered(60) is None
        agentops.status = 413
        kept.add([], sending.service.id, [b"too large", b"too large as well"])
        sending.wake()
        refused = sending.undelivered(60)
        assert refused == f"{agentops.url}/v1/traces answered 413"
        agentops.status = 200
        sending.wake()
        assert sending.undelivered(60) is None
    bodies = [request.body for request in agentops.received if request.path == "/v1/traces"]
    assert bodies == [b"too large", b"too large as well"]


def test_a_token_that_has_expired_is_fetched_again(kept: Storage, deliver):
    with AgentOpsService() as agentops:
        sending = deliver(service_at(agentops.url))
        assert sending.undelivered(60) is None
        agentops.status = 401
        kept.add([], sending.service.id, [b"spans"])
        sending.wake()
        assert sending.undelivered(60) == f"{agentops.url}/v1/traces answered 401"
        agentops.status = 200
        sending.wake()
        assert sending.undelivered(60) is None
    paths = [request.path for request in agentops.received]
    assert paths == ["/v3/auth/token", "/v1/traces", "/v3/auth/token", "/v1/traces"]


@pytest.fixture
def endless() -> Iterator[Callable[[bytes], str]]:
    """Serves an answer without end."""
    servers = []

    def serve(part: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()
                for _ in range(5000):
                    self.wfile.write(part)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # clients hang up
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("part", [b"[" * 65_536, b'{"token": "' + b"x" * 65_536])
def test_an_answer_without_end_is_not_kept_in_memory(kept: Storage, deliver, endless, part: bytes):
    before = psutil.Process().memory_info().rss
    url = endless(part)
    assert deliver(service_at(url)).undelivered(60) == f"{url} gave no token"
    assert psutil.Process().memory_info().rss - before < 100 * MEGABYTE


def test_an_address_that_is_none_is_told(kept: Storage, deliver):
    service = AgentOps(KEY, "no address", "neither")
    assert "no address/v3/auth/token" in (deliver(service).undelivered(60) or "")
