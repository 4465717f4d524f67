"""The collector: what it takes, what it refuses, what it keeps."""

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from assistants_server.collector import Collector, Span
from assistants_server.collector.storage import MOST_TRACES, Storage

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path / "folder" / "traces.db")
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture
def http(collector: Collector) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {collector.token}"}
    with httpx2.Client(base_url=collector.url, headers=headers) as http:
        yield http


def _request(*names: str) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    spans = group.scope_spans.add().spans
    group.resource.attributes.add(key="service.name").value.string_value = "test"
    for number, name in enumerate(names, 1):
        span = spans.add(name=name, trace_id=bytes.fromhex(TRACE), span_id=bytes([number] * 8))
        span.start_time_unix_nano, span.end_time_unix_nano = 100 * number, 100 * number + 50
        span.attributes.add(key="count").value.int_value = number
        span.attributes.add(key="half").value.double_value = 0.5
        span.attributes.add(key="yes").value.bool_value = True
        values = span.attributes.add(key="tags").value.array_value.values
        values.add().string_value = "a"
        values.add().string_value = "b"
        if number > 1:
            span.parent_span_id = bytes([1] * 8)
            span.status.code, span.status.message = 2, "it broke"
            event = span.events.add(name="exception", time_unix_nano=120)
            event.attributes.add(key="exception.type").value.string_value = "ValueError"
    return request.SerializeToString()


def test_a_span_comes_out_as_it_went_in(collector: Collector, http: httpx2.Client):
    assert http.post("/v1/traces", content=_request("root", "child")).status_code == 200
    root, child = collector.spans(TRACE)
    assert root == Span(
        trace_id=TRACE,
        span_id="01" * 8,
        parent_id="",
        name="root",
        start=100,
        end=150,
        status="unset",
        message="",
        attributes={"count": 1, "half": 0.5, "yes": True, "tags": ["a", "b"]},
        events=[],
        resource={"service.name": "test"},
    )
    assert (child.parent_id, child.status, child.message) == (root.span_id, "error", "it broke")
    assert child.events == [
        {"name": "exception", "time": 120, "attributes": {"exception.type": "ValueError"}}
    ]


def test_it_gives_a_token_for_its_own_key_only(collector: Collector):
    with httpx2.Client(base_url=collector.url) as anyone:
        answer = anyone.post("/v3/auth/token", json={"api_key": collector.token})
        assert answer.json()["token"] == collector.token
        assert anyone.post("/v3/auth/token", json={"api_key": "another"}).status_code == 401
        for path in ("/v1/traces", "/v4/logs/upload/"):
            assert anyone.post(path, content=_request("stray")).status_code == 401
    assert collector.spans(TRACE) == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"this is no protobuf", {}),
        (_request("root")[:-3], {}),
        (b"this is no gzip", {"Content-Encoding": "gzip"}),
        (_request("root"), {"Content-Encoding": "br"}),
    ],
)
def test_bad_input_is_refused_and_nothing_is_lost(collector, http, content, headers):
    http.post("/v1/traces", content=_request("root"))
    answer = http.post("/v1/traces", content=content, headers=headers)
    assert answer.status_code == 400
    assert "not an OTLP request" in answer.json()["error"]
    assert [span.name for span in collector.spans(TRACE)] == ["root"]


def test_compressed_spans_are_taken(collector: Collector, http: httpx2.Client):
    headers = {"Content-Encoding": "gzip"}
    http.post("/v1/traces", content=gzip.compress(_request("root")), headers=headers)
    assert [span.name for span in collector.spans(TRACE)] == ["root"]


def test_a_log_belongs_to_a_trace(collector: Collector, http: httpx2.Client):
    headers = {"Trace-Id": str(int(TRACE, 16))}
    assert http.post("/v4/logs/upload/", json={"body": "one\n"}, headers=headers).status_code == 200
    assert http.post("/v4/logs/upload/", json={"body": "two\n"}, headers=headers).status_code == 200
    assert collector.log(TRACE) == "one\ntwo\n"
    assert http.post("/v4/logs/upload/", json={"body": "x"}).status_code == 400


def test_traces_are_there_after_a_restart_and_the_oldest_are_forgotten(tmp_path: Path):
    storage = Storage(tmp_path / "traces.db")
    for number in range(MOST_TRACES + 5):
        storage.add([_span(number)])
        storage.add_log(f"{number:032x}", "said")
    storage.close()
    again = Storage(tmp_path / "traces.db")
    assert [len(again.spans(f"{number:032x}")) for number in (0, 4, 5, MOST_TRACES + 4)] == [
        0,
        0,
        1,
        1,
    ]
    assert (again.log(f"{4:032x}"), again.log(f"{5:032x}")) == ("", "said")
    again.close()


def test_two_programs_may_use_one_file(tmp_path: Path):
    first, second = Storage(tmp_path / "traces.db"), Storage(tmp_path / "traces.db")
    first.add([_span(1)])
    second.add([_span(2)])
    assert [len(first.spans(f"{number:032x}")) for number in (1, 2)] == [1, 1]
    first.close()
    second.close()


def test_it_stops_quickly(tmp_path: Path):
    collector = Collector(tmp_path / "traces.db")
    collector.start()
    with httpx2.Client(base_url=collector.url) as http:
        http.post("/v3/auth/token", json={"api_key": "x"})
        started = time.perf_counter()
        collector.stop()
    assert time.perf_counter() - started < 1


def _span(number: int) -> Span:
    trace_id, span_id = f"{number:032x}", f"{number:016x}"
    return Span(trace_id, span_id, "", "a", number, number + 1, "ok", "", {}, [], {})
