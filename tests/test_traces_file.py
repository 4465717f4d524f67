"""The file of the traces: what a span processor writes to it, and what it keeps and forgets."""

import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode, Tracer

from helpers.tracing.processor import FileProcessor
from helpers.tracing.spans import Span
from helpers.tracing.storage import MOST_TRACES, Storage
from tests.attacks.waiting import until


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "folder" / "traces.db")
    yield storage
    storage.close()


@pytest.fixture
def tracer(storage: Storage) -> Iterator[Tracer]:
    provider = TracerProvider(resource=Resource({"service.name": "test"}), shutdown_on_exit=False)
    provider.add_span_processor(FileProcessor(storage, delivery=None))
    yield provider.get_tracer("test")
    provider.shutdown()


def _span(number: int) -> Span:
    trace_id, span_id = f"{number:032x}", f"{number:016x}"
    return Span(trace_id, span_id, "", "a", number, number + 1, "ok", "", {}, [], {})


def test_a_span_comes_out_as_it_went_in(storage: Storage, tracer: Tracer):
    said = {"count": 1, "half": 0.5, "yes": True, "tags": ["a", "b"]}
    with tracer.start_as_current_span("root", start_time=100, end_on_exit=False) as root:
        root.set_attributes(said)
        child = tracer.start_span("child", start_time=110)
        child.add_event("exception", {"exception.type": "ValueError"}, timestamp=120)
        child.set_status(Status(StatusCode.ERROR, "it broke"))
        child.end(130)
        root.end(150)
    kept_root, kept_child = until(lambda: (all := storage.everything())[1:] and all)
    ids = root.get_span_context()
    assert kept_root == Span(
        trace_id=f"{ids.trace_id:032x}",
        span_id=f"{ids.span_id:016x}",
        parent_id="",
        name="root",
        start=100,
        end=150,
        status="unset",
        message="",
        attributes=said,
        events=[],
        resource={"service.name": "test"},
    )
    assert (kept_child.parent_id, kept_child.status) == (kept_root.span_id, "error")
    assert kept_child.message == "it broke"
    assert kept_child.events == [
        {"name": "exception", "time": 120, "attributes": {"exception.type": "ValueError"}}
    ]
    assert storage.spans(kept_root.trace_id) == [kept_root, kept_child]


def test_prints_belong_to_a_trace(storage: Storage):
    storage.add_log("1", "one\n")
    storage.add_log("1", "two\n")
    assert (storage.log("1"), storage.log("2")) == ("one\ntwo\n", "")


def test_traces_are_there_after_a_restart_and_the_oldest_are_forgotten(tmp_path: Path):
    storage = Storage(tmp_path / "traces.db")
    for number in range(MOST_TRACES + 5):
        storage.add([_span(number)])
        storage.add_log(f"{number:032x}", "said")
    storage.close()
    again = Storage(tmp_path / "traces.db")
    counts = [len(again.spans(f"{number:032x}")) for number in (0, 4, 5, MOST_TRACES + 4)]
    assert counts == [0, 0, 1, 1]
    assert (again.log(f"{4:032x}"), again.log(f"{5:032x}")) == ("", "said")
    again.close()


def test_two_programs_may_use_one_file(tmp_path: Path):
    first, second = Storage(tmp_path / "traces.db"), Storage(tmp_path / "traces.db")
    first.add([_span(1)])
    second.add([_span(2)])
    assert [len(first.spans(f"{number:032x}")) for number in (1, 2)] == [1, 1]
    first.close()
    second.close()


def test_what_is_taken_is_taken_once_and_what_is_put_back_can_be_taken_again(storage: Storage):
    storage.add([], "service", [b"first", b"second"])
    first, second = storage.take("service"), storage.take("service")
    assert first
    assert second
    assert (first.body, second.body) == (b"first", b"second")
    assert storage.take("service") is None
    assert storage.take("another service") is None
    storage.put_back(second)
    storage.remove(first)
    assert storage.take("service") == second


def test_what_a_dead_program_has_taken_is_taken_by_the_next(storage: Storage, monkeypatch):
    storage.add([], "service", [b"first"])
    taken = storage.take("service")
    monkeypatch.setattr("helpers.tracing.storage.SECONDS_TO_SEND", -1)
    assert storage.take("service") == taken


def test_a_file_of_the_version_before_is_used_as_it_is(tmp_path: Path):
    with sqlite3.connect(tmp_path / "traces.db") as file:
        file.execute("CREATE TABLE spans (span_id TEXT PRIMARY KEY, trace_id, start, body)")
        file.execute("CREATE TABLE logs (trace_id TEXT NOT NULL, body TEXT NOT NULL)")
    file.close()
    storage = Storage(tmp_path / "traces.db")
    storage.add([_span(1)], "service", [b"x"])
    assert storage.everything() == [_span(1)]
    storage.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_processes_write_to_one_file(storage: Storage):
    storage.add([_span(0)])

    def child(number: int) -> None:
        assert storage._connection is None  # that of the parent must not be used here
        storage.add([_span(number)])

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=child, args=(number,)) for number in range(1, 5)]
    for child in children:
        child.start()
    storage.add([_span(5)])
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert storage.everything() == [_span(number) for number in range(6)]
    check = sqlite3.connect(storage._path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
