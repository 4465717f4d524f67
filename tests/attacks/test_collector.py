"""Attacks on the collector of spans: bodies without end, forged spans, a file that cannot be written.

Those that need no token are what any program on this machine, or any page in a browser, may send.
"""

import gzip
import json
import socket
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from assistants_server.collector import AgentOps, Collector, Span, forward, storage
from assistants_server.collector import bodies as collector_bodies
from assistants_server.collector.storage import Storage
from tests.agentops_service import KEY, BlackHole

TRACE = bytes(range(1, 17))
MEGABYTE = 1024 * 1024


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path / "traces.db")
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture
def http(collector: Collector) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {collector.token}"}
    with httpx2.Client(base_url=collector.url, headers=headers, timeout=60) as http:
        yield http


def span(number: int = 1, **fields) -> trace_pb2.Span:
    given = {
        "name": "a",
        "trace_id": TRACE,
        "span_id": number.to_bytes(8, "big"),
        "start_time_unix_nano": number,
        "end_time_unix_nano": number + 1,
    }
    return trace_pb2.Span(**{**given, **fields})


def request(*spans: trace_pb2.Span) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def message(field: int, content: bytes) -> bytes:
    """Return protobuf of one field that holds a message or bytes."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def database(collector: Collector) -> Path:
    return Path(collector._storage._connection.execute("PRAGMA database_list").fetchone()[2])


def names(collector: Collector) -> list[str]:
    return [each.name for each in collector.spans(TRACE.hex())]


def still_works(collector: Collector, http: httpx2.Client) -> bool:
    """Return whether it takes a span, and another program can write to its file."""
    taken = http.post("/v1/traces", content=request(span(99, name="afterwards"))).status_code
    other = Storage(database(collector))
    other.add_log("0" * 32, "from another program")
    other.close()
    return taken == 200 and names(collector)[-1] == "afterwards"


class Counted:
    """A body that is made while it is sent, and counts what was taken of it."""

    def __init__(self, size: int) -> None:
        self.size, self.sent = size, 0

    def __iter__(self) -> Iterator[bytes]:
        while self.sent < self.size:
            yield b"0" * 65_536
            self.sent += 65_536


def memory() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
@pytest.mark.parametrize("path", ["/v3/auth/token", "/v1/traces", "/v4/logs/upload/"])
def test_a_body_of_300_mb_is_not_kept_in_memory(collector, http, path: str, announced: bool):
    if path == "/v3/auth/token":
        del http.headers["Authorization"]
    headers = {"Content-Length": str(300 * MEGABYTE)} if announced else {}
    before = memory()
    answer = http.post(path, content=Counted(300 * MEGABYTE), headers=headers)
    assert answer.status_code == 413
    assert "too large: at most" in answer.json()["error"]
    assert memory() - before < 100 * MEGABYTE


@pytest.mark.parametrize("path", ["/v1/traces", "/v4/logs/upload/"])
def test_who_is_not_known_is_refused_before_a_body_is_read(collector, path: str):
    with socket.create_connection(("127.0.0.1", int(collector.url.rsplit(":", 1)[1]))) as stream:
        stream.settimeout(30)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        stream.sendall(head.encode())
        assert stream.recv(4096).startswith(b"HTTP/1.1 401")


def test_half_a_body_is_given_up(collector, http, monkeypatch):
    monkeypatch.setattr(collector_bodies, "SECONDS_TO_ARRIVE", 0.2)
    with socket.create_connection(("127.0.0.1", int(collector.url.rsplit(":", 1)[1]))) as stream:
        stream.settimeout(30)
        authorised = f"Host: x\r\nAuthorization: Bearer {collector.token}\r\n"
        stream.sendall(
            f"POST /v1/traces HTTP/1.1\r\n{authorised}Content-Length: 1000\r\n\r\n01234".encode()
        )
        assert stream.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", int(collector.url.rsplit(":", 1)[1]))) as stream:
        stream.sendall(
            f"POST /v1/traces HTTP/1.1\r\n{authorised}Content-Length: 1000\r\n\r\n01234".encode()
        )
    assert still_works(collector, http)


def test_many_halves_do_not_fill_memory_together(collector, http, monkeypatch):
    monkeypatch.setattr(collector_bodies, "MOST_HELD", 3 * MEGABYTE)
    address = ("127.0.0.1", int(collector.url.rsplit(":", 1)[1]))
    head = (
        f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {collector.token}\r\n"
        f"Content-Length: {4 * MEGABYTE}\r\n\r\n"
    ).encode()
    streams = [socket.create_connection(address) for _ in range(4)]
    try:
        for stream in streams:
            stream.settimeout(30)
            stream.sendall(head + bytes(MEGABYTE))
        refused = []
        deadline = time.monotonic() + 30
        while not refused and time.monotonic() < deadline:
            for stream in streams:
                stream.setblocking(False)
                try:
                    refused.append(stream.recv(4096))
                except BlockingIOError:
                    time.sleep(0.01)
        assert refused[0].startswith(b"HTTP/1.1 503")
    finally:
        for stream in streams:
            stream.close()
    deadline = time.monotonic() + 30
    while not still_works(collector, http):  # until all of them have been noticed to have gone
        assert time.monotonic() < deadline


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_body_does_not_become_2_gb(collector, http, encoding: str):
    # A quarter of a GB is enough to see it, and is made faster.
    pack = zlib.compressobj(1, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(pack.compress(bytes(MEGABYTE)) for _ in range(256)) + pack.flush()
    before = memory()
    answer = http.post("/v1/traces", content=bomb, headers={"Content-Encoding": encoding})
    assert answer.status_code == 413
    assert memory() - before < 100 * MEGABYTE
    assert still_works(collector, http)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed + b"garbage",
        lambda packed: packed + gzip.compress(request(span(2))),
        lambda packed: packed[:-4],
        lambda packed: packed + gzip.compress(b"") * 100_000,
    ],
    ids=["garbage at the end", "two members", "no end", "very many members"],
)
def test_compressed_bodies_have_one_end(collector, http, spoil: Callable[[bytes], bytes]):
    content = spoil(gzip.compress(request(span())))
    answer = http.post("/v1/traces", content=content, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, names(collector)) == (400, [])
    assert still_works(collector, http)


FORGED = {
    "a start at 2^64-1": {"start_time_unix_nano": 2**64 - 1, "end_time_unix_nano": 2**64 - 1},
    "a start at 2^63": {"start_time_unix_nano": 2**63, "end_time_unix_nano": 2**63},
    "an end at 2^64-1": {"end_time_unix_nano": 2**64 - 1},
    "an event at 2^64-1": {"events": [trace_pb2.Span.Event(time_unix_nano=2**64 - 1)]},
    "no trace id": {"trace_id": b""},
    "a trace id of zeros": {"trace_id": bytes(16)},
    "a trace id of 1 MB": {"trace_id": b"x" * MEGABYTE},
    "a span id of 7 bytes": {"span_id": b"1234567"},
    "a span id of zeros": {"span_id": bytes(8)},
    "a parent id of 9 bytes": {"parent_span_id": b"123456789"},
    "5 MB": {"name": "x" * 5 * MEGABYTE},
}


@pytest.mark.parametrize("fields", FORGED.values(), ids=FORGED)
def test_a_forged_span_is_refused_and_the_others_are_kept(collector, http, fields: dict):
    alone = http.post("/v1/traces", content=request(span(1, **fields)))
    assert alone.status_code == 400
    assert "None of the spans can be kept: a" in alone.json()["error"]
    among = request(span(2, name="before"), span(3, **fields), span(4, name="after"))
    answer = http.post("/v1/traces", content=among)
    assert answer.status_code == 200
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (told.rejected_spans, bool(told.error_message)) == (1, True)
    assert names(collector) == ["before", "after"]
    assert still_works(collector, http)


def test_a_clock_that_was_set_back_costs_no_span(collector, http):
    content = request(span(1, start_time_unix_nano=100, end_time_unix_nano=50))
    assert http.post("/v1/traces", content=content).status_code == 200
    (kept,) = collector.spans(TRACE.hex())
    assert (kept.start, kept.end) == (100, 100)


@pytest.mark.parametrize("kind", ["list", "pairs"])
def test_values_nested_without_end_are_refused(collector, http, kind: str):
    value = b""
    for _ in range(20_000):
        value = message(5, message(1, value)) if kind == "list" else value
        value = message(6, message(1, message(2, value))) if kind == "pairs" else value
    attribute = message(9, message(2, value))
    content = message(1, message(2, message(2, span().SerializeToString() + attribute)))
    assert http.post("/v1/traces", content=content).status_code == 400
    assert still_works(collector, http)


def test_numbers_that_json_does_not_have_are_kept_as_text(collector, http):
    odd = span()
    for name, value in (("a", float("nan")), ("b", float("inf")), ("c", float("-inf"))):
        odd.attributes.add(key=name).value.double_value = value
    assert http.post("/v1/traces", content=request(odd)).status_code == 200
    assert collector.spans(TRACE.hex())[0].attributes == {"a": "nan", "b": "inf", "c": "-inf"}
    with sqlite3.connect(database(collector)) as file:
        (body,) = file.execute("SELECT body FROM spans").fetchone()
    json.loads(body, parse_constant=pytest.fail)


def _many(kind: str) -> bytes:
    one = span().SerializeToString()
    match kind:
        case "groups":
            return b"\x0a\x00" * (4 * MEGABYTE)
        case "scopes":
            return message(1, b"\x12\x00" * (4 * MEGABYTE))
        case "spans":
            return message(1, message(2, b"\x12\x00" * (4 * MEGABYTE)))
        case "attributes":
            return message(1, message(2, message(2, one + b"\x4a\x00" * MEGABYTE)))
        case "events":
            return message(1, message(2, message(2, one + b"\x5a\x00" * MEGABYTE)))
        case "values":
            values = message(2, message(5, b"\x0a\x00" * MEGABYTE))
            return message(1, message(2, message(2, one + message(9, values))))
        case "one large resource for many":
            resource = ExportTraceServiceRequest().resource_spans.add().resource
            resource.attributes.add(key="a").value.string_value = "x" * 8 * MEGABYTE
            spans = b"".join(message(2, span(n).SerializeToString()) for n in range(1, 9_000))
            return message(1, message(1, resource.SerializeToString()) + message(2, spans))


KINDS = [
    "groups",
    "scopes",
    "spans",
    "attributes",
    "events",
    "values",
    "one large resource for many",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_bytes_do_not_become_very_many_objects(collector, http, kind: str):
    content, before = _many(kind), memory()
    answer = http.post("/v1/traces", content=content)
    assert answer.status_code == 400
    assert "more than" in answer.json()["error"]
    assert memory() - before < 300 * MEGABYTE
    assert names(collector) == []
    assert still_works(collector, http)


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/v3/auth/token", b"", 400),
        ("/v3/auth/token", b"[" * 10_000, 400),
        ("/v3/auth/token", b"5", 401),
        ("/v3/auth/token", b'{"api_key": ["a"]}', 401),
        ("/v3/auth/token", b'{"api_key": "\\ud800"}', 401),
        ("/v4/logs/upload/", b"[" * 1_000_000, 400),
        ("/v4/logs/upload/", b"\xff", 400),
        ("/v4/logs/upload/", b"[]", 400),
        ("/v4/logs/upload/", b'{"body": 5}', 400),
    ],
)
def test_json_of_any_shape_gets_an_answer(collector, http, path, content, status):
    answer = http.post(path, content=content, headers={"Trace-Id": "1"})
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize("trace_id", ["", "-1", "0", "1_0", str(2**128), "9" * 5000, "٣"])
def test_a_log_needs_a_real_trace_id(collector, http, trace_id: str):
    headers = {"Trace-Id": trace_id.encode()}
    assert http.post("/v4/logs/upload/", json={"body": "x"}, headers=headers).status_code == 400


def test_a_lone_surrogate_in_a_log_becomes_a_question_mark(collector, http):
    content = b'{"body": "a\\ud800b"}'
    answer = http.post("/v4/logs/upload/", content=content, headers={"Trace-Id": "7"})
    assert answer.status_code == 200
    assert collector.log(f"{7:032x}") == "a?b"


def test_a_locked_file_delays_nobody_else_and_nothing_is_lost(collector, http, monkeypatch):
    locked = sqlite3.connect(database(collector), isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    collector._storage._connection.execute("PRAGMA busy_timeout = 500")
    with httpx2.Client(base_url=collector.url) as other:
        answer = http.post("/v1/traces", content=request(span()))
        assert other.post("/v3/auth/token", json={"api_key": collector.token}).status_code == 200
    assert answer.status_code == 503
    assert "locked" in answer.json()["error"]
    locked.execute("ROLLBACK")
    locked.close()
    assert still_works(collector, http)


def test_a_full_disk_loses_only_what_comes_meanwhile(collector, http):
    assert http.post("/v1/traces", content=request(span(1))).status_code == 200
    limit = collector._storage._connection.execute("PRAGMA page_count").fetchone()[0]
    collector._storage._connection.execute(f"PRAGMA max_page_count = {limit}")
    answer = http.post("/v1/traces", content=request(span(2, name="x" * MEGABYTE)))
    assert answer.status_code == 503
    assert "full" in answer.json()["error"]
    collector._storage._connection.execute("PRAGMA max_page_count = 1000000")
    assert names(collector) == ["a"]
    assert still_works(collector, http)


def test_traces_do_not_fill_the_disk(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(storage, "MOST_BYTES", 4 * MEGABYTE)
    kept = Storage(tmp_path / "traces.db")
    for number in range(1, 60):
        name = "x" * (MEGABYTE // 4)
        kept.add([Span(f"{number:032x}", f"{number:016x}", "", name, 1, 2, "ok", "", {}, [], {})])
        kept.add_log(f"{number:032x}", "y" * (MEGABYTE // 4))
    assert kept.spans(f"{59:032x}")
    assert kept.log(f"{59:032x}")
    assert kept.spans(f"{1:032x}") == []
    assert kept.log(f"{1:032x}") == ""
    kept.close()
    assert (tmp_path / "traces.db").stat().st_size < 6 * MEGABYTE


def test_a_service_that_is_away_does_not_fill_memory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(forward, "MOST_WAITING_BYTES", 3 * MEGABYTE)
    with BlackHole() as service:
        url = service.environment["AGENTOPS_API_ENDPOINT"]
        collector = Collector(tmp_path / "traces.db", AgentOps(KEY, url, f"{url}/v1/traces"))
        collector.start()
        try:
            headers = {"Authorization": f"Bearer {collector.token}"}
            with httpx2.Client(base_url=collector.url, headers=headers) as http:
                for number in range(1, 9):
                    content = request(span(number, name="x" * MEGABYTE))
                    assert http.post("/v1/traces", content=content).status_code == 200
            waiting = [len(body) for _, body, _ in collector._forwarder._waiting]
        finally:
            collector.stop()
    assert 0 < sum(waiting) <= 3 * MEGABYTE
