"""The server-sent events of a response."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

from openai.types import responses as wire

from assistants_server.tutor import Reply

SPOKEN: Literal["response.output_text.delta"] = "response.output_text.delta"
EMPTY: dict[str, dict[str, Any]] = {"function_call": {"arguments": ""}, "message": {"content": []}}


async def stream(response: wire.Response, pause: float) -> AsyncIterator[str]:
    """Yield the events that lead to a finished response, in as few pieces as the pauses allow.

    Args:
        pause: seconds to wait after each word.
    """
    ready = ""
    for number, event in enumerate(events_of(response)):
        event.sequence_number = number
        body = event.model_dump_json(by_alias=True, exclude_none=True)
        ready += f"event: {event.type}\ndata: {body}\n\n"
        if pause and event.type == SPOKEN:
            yield ready
            ready = ""
            await asyncio.sleep(pause)
    yield ready


def events_of(response: wire.Response) -> Iterator[wire.ResponseStreamEvent]:
    """Yield the events that lead to a finished response, without their numbers."""
    number: dict[str, Any] = {"sequence_number": 0}  # `stream` sets it
    nothing: dict[str, Any] = {"output": [], "usage": None, "incomplete_details": None}
    begun = response.model_copy(update={"status": "in_progress", **nothing})
    yield wire.ResponseCreatedEvent(type="response.created", response=begun, **number)
    yield wire.ResponseInProgressEvent(type="response.in_progress", response=begun, **number)
    for index, item in enumerate(response.output):
        at: dict[str, Any] = {"output_index": index, **number}
        begun_item = item.model_copy(update={"status": "in_progress", **EMPTY[item.type]})
        yield wire.ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=begun_item, **at
        )
        if item.type == "function_call":
            yield from _call(item, at)
        elif item.type == "message":
            yield from _message(item, at)
        yield wire.ResponseOutputItemDoneEvent(type="response.output_item.done", item=item, **at)
    if response.status == "completed":
        yield wire.ResponseCompletedEvent(type="response.completed", response=response, **number)
    else:
        yield wire.ResponseIncompleteEvent(type="response.incomplete", response=response, **number)


def _message(
    item: wire.ResponseOutputMessage, at: dict[str, Any]
) -> Iterator[wire.ResponseStreamEvent]:
    inside = {"item_id": item.id, "content_index": 0, **at}
    (part,) = item.content
    assert part.type == "output_text"  # the tutor refuses in plain words
    empty = part.model_copy(update={"text": ""})
    yield wire.ResponseContentPartAddedEvent(
        type="response.content_part.added", part=empty, **inside
    )
    for piece in Reply.pieces(part.text):
        yield wire.ResponseTextDeltaEvent(type=SPOKEN, delta=piece, logprobs=[], **inside)
    yield wire.ResponseTextDoneEvent(
        type="response.output_text.done", text=part.text, logprobs=[], **inside
    )
    yield wire.ResponseContentPartDoneEvent(type="response.content_part.done", part=part, **inside)


def _call(
    item: wire.ResponseFunctionToolCall, at: dict[str, Any]
) -> Iterator[wire.ResponseStreamEvent]:
    inside = {"item_id": item.id, **at}
    for line in re.split(r"(?<=\\n)", item.arguments):  # a program's lines, as JSON writes them
        yield wire.ResponseFunctionCallArgumentsDeltaEvent(
            type="response.function_call_arguments.delta", delta=line, **inside
        )
    yield wire.ResponseFunctionCallArgumentsDoneEvent(
        type="response.function_call_arguments.done", arguments=item.arguments, **inside
    )
