"""Spans as they are kept: plain objects, made of OpenTelemetry's."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id, format_trace_id

LATEST = 2**63 - 1  # SQLite's integers end there, in the year 2262
MOST_REQUEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Span:
    """One span. Its ids are hexadecimal; its times are nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str  # empty for the root of a trace
    name: str
    start: int
    end: int
    status: str  # ok, error or unset
    message: str  # about an error
    attributes: dict[str, Any]
    events: list[dict[str, Any]]  # such as an exception, with name, time and attributes
    resource: dict[str, Any]  # the program that made it


def plain_spans(spans: Iterable[ReadableSpan]) -> list[Span]:
    """Return ended spans as they are kept: with times of a clock, and without unreadable ones."""
    kept = []
    for span in spans:
        with suppress(Exception):
            kept.append(_plain(span))
    return kept


def otlp_requests(spans: Sequence[ReadableSpan]) -> list[bytes]:
    """Return what OpenTelemetry's exporter would send: one body, or several if it is too large.

    A span that protobuf cannot hold (``start_time=2**70``), or that is too large, is left out.
    """
    with suppress(Exception):
        body = encode_spans(spans).SerializeToString()
        if len(body) <= MOST_REQUEST_BYTES:
            return [body]
    if len(spans) < 2:
        return []
    half = len(spans) // 2
    return otlp_requests(spans[:half]) + otlp_requests(spans[half:])


def _plain(span: ReadableSpan) -> Span:
    start = _time(span.start_time)
    return Span(
        trace_id=format_trace_id(span.context.trace_id),
        span_id=format_span_id(span.context.span_id),
        parent_id=format_span_id(span.parent.span_id) if span.parent else "",
        name=str(span.name),
        start=start,
        end=max(start, _time(span.end_time)),  # clocks are set back
        status=span.status.status_code.name.lower(),
        message=span.status.description or "",
        attributes=_pairs(span.attributes),
        events=[
            {
                "name": str(each.name),
                "time": _time(each.timestamp),
                "attributes": _pairs(each.attributes),
            }
            for each in span.events
        ],
        resource=_pairs(span.resource.attributes),
    )


def _time(nanoseconds: int | None) -> int:
    return min(max(int(nanoseconds or 0), 0), LATEST)


def _pairs(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {str(key): _value(value) for key, value in (attributes or {}).items()}


def _value(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no number for it
        case int() if abs(value) > LATEST:
            return hex(value)  # Python refuses to write the decimals of very long ones
        case None | str() | int() | float():
            return value
        case bytes():
            return value.hex()
        case Mapping():
            return _pairs(value)
        case Sequence():
            return [_value(each) for each in value]
    return str(value)
