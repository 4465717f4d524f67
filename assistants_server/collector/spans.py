"""Spans as they arrive: OTLP protobuf in, plain objects out."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

STATUSES = {0: "unset", 1: "ok", 2: "error"}
# Two bytes make a span or a value, which take a hundred times as much once they are read. An
# exporter sends 512 spans at a time.
MOST_PARTS = 10_000  # spans of a request, and the groups around them
MOST_VALUES = 200_000  # attributes and events of a request
MOST_SPAN_BYTES = 4 * 1024 * 1024
MOST_KEPT_BYTES = 32 * 1024 * 1024  # of a request: each span is kept with its resource
LATEST = 2**63  # SQLite's integers end there


@dataclass(frozen=True)
class Span:
    """One span.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: the parent's, or an empty text for the root of a trace.
        start, end: nanoseconds since 1970.
        status: ``ok``, ``error`` or ``unset``; `message` says more about an error.
        events: what happened at a moment of it, such as an exception, each with `name`, `time`
            and `attributes`.
        resource: what is said of the program that sent it.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    status: str
    message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    resource: dict[str, Any]


@dataclass
class Decoded:
    """What came out of a request.

    Attributes:
        rejected: how many spans cannot be kept, the last of them for this `reason`.
    """

    spans: list[Span] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""


def decode(body: bytes) -> Decoded:
    """Return the spans of an OTLP request.

    Raises:
        google.protobuf.message.DecodeError: the body is not one.
        ValueError: it holds more than an exporter sends.
    """
    decoded, reader, kept = Decoded(), _Reader(), 0
    for content, described in reader.spans(body):
        kept += len(content) + len(described)
        if kept > MOST_KEPT_BYTES:
            raise ValueError(f"its spans take more than {MOST_KEPT_BYTES} bytes")
        try:
            decoded.spans.append(reader.span(content, described))
        except _Unkeepable as error:
            decoded.rejected += 1
            decoded.reason = str(error)
    return decoded


class _Unkeepable(Exception):
    """A span that cannot be kept; the others of its request can."""


class _Reader:
    """Reads one request, part by part, so that never more than one part is spread out."""

    def __init__(self) -> None:
        self._parts = 0
        self._values = 0

    def spans(self, body: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield each span as it was sent, with the resource it belongs to."""
        for resource_spans in self._counted(_Parts.FromString(body).first):
            group = _Parts.FromString(resource_spans)
            described = b"".join(group.first)  # protobuf merges what comes twice
            for scope_spans in self._counted(group.second):
                for span in self._counted(_Parts.FromString(scope_spans).second):
                    yield span, described

    def span(self, content: bytes, described: bytes) -> Span:
        if len(content) > MOST_SPAN_BYTES:
            raise _Unkeepable(f"a span has more than {MOST_SPAN_BYTES} bytes")
        span = trace_pb2.Span.FromString(content)
        _check(span)
        return Span(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            name=span.name,
            start=span.start_time_unix_nano,
            end=max(span.start_time_unix_nano, span.end_time_unix_nano),  # clocks are set back
            status=STATUSES.get(span.status.code, "unset"),
            message=span.status.message,
            attributes=self._pairs(span.attributes),
            events=[self._event(event) for event in self._counted_values(span.events)],
            resource=self._pairs(Resource.FromString(described).attributes),
        )

    def _event(self, event: trace_pb2.Span.Event) -> dict[str, Any]:
        attributes = self._pairs(event.attributes)
        return {"name": event.name, "time": event.time_unix_nano, "attributes": attributes}

    def _pairs(self, pairs: Iterable[KeyValue]) -> dict[str, Any]:
        return {pair.key: self._value(pair.value) for pair in self._counted_values(pairs)}

    def _value(self, value: AnyValue) -> Any:  # protobuf itself bounds how deep they are nested
        match value.WhichOneof("value"):
            case None:
                return None
            case "array_value":
                return [
                    self._value(each) for each in self._counted_values(value.array_value.values)
                ]
            case "kvlist_value":
                return self._pairs(value.kvlist_value.values)
            case "bytes_value":
                return value.bytes_value.hex()
            case "double_value" if not math.isfinite(value.double_value):
                return str(value.double_value)  # JSON has no number for it
            case kind:
                return getattr(value, kind)

    def _counted(self, parts: list[bytes]) -> list[bytes]:
        self._parts += len(parts)
        if self._parts > MOST_PARTS:
            raise ValueError(f"it has more than {MOST_PARTS} spans and groups of spans")
        return parts

    def _counted_values(self, values: Any) -> Any:
        self._values += len(values)
        if self._values > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} attributes and events")
        return values


def _check(span: trace_pb2.Span) -> None:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise _Unkeepable("a trace_id has not 16 bytes, or only zeros")
    if len(span.span_id) != 8 or not any(span.span_id):
        raise _Unkeepable("a span_id has not 8 bytes, or only zeros")
    if len(span.parent_span_id) not in (0, 8):
        raise _Unkeepable("a parent_span_id has not 8 bytes")
    times = (span.start_time_unix_nano, span.end_time_unix_nano)
    if max(*times, *(event.time_unix_nano for event in span.events)) >= LATEST:
        raise _Unkeepable("a time is later than the year 2262")


def _parts_type() -> Any:
    """Return a message type whose fields 1 and 2 are left as bytes, whatever messages they are.

    A request, a group of spans with one resource, and one with one scope all have that form:
    protobuf sends bytes and messages alike.
    """
    file = descriptor_pb2.FileDescriptorProto(name="parts.proto", package="assistants_server")
    message = file.message_type.add(name="Parts")
    for number, name in ((1, "first"), (2, "second")):
        field = message.field.add(name=name, number=number)
        field.type, field.label = field.TYPE_BYTES, field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("assistants_server.Parts"))


_Parts = _parts_type()
