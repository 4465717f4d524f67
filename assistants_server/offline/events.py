"""A response as the server-sent events that lead to it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

from openai.types import responses as wire
from pydantic import BaseModel

from assistants_server.offline.response_builder import Answer


async def stream(answer: Answer) -> AsyncIterator[str]:
    """Yield the stream, in as few pieces as the tutor's pauses allow."""
    ready = ""
    for number, event in enumerate(_events(answer)):
        event.sequence_number = number
        body = event.model_dump_json(by_alias=True, exclude_none=True)
        ready += f"event: {event.type}\ndata: {body}\n\n"
        if answer.reply.pause and event.type == "response.output_text.delta":
            yield ready
            ready = ""
            await asyncio.sleep(answer.reply.pause)
    yield ready


def _events(answer: Answer) -> Iterator[BaseModel]:
    begun, number = answer.begun(), {"sequence_number": 0}
    yield wire.ResponseCreatedEvent(type="response.created", response=begun, **number)
    yield wire.ResponseInProgressEvent(type="response.in_progress", response=begun, **number)
    for index, item in enumerate(answer.items):
        at = {"output_index": index, **number}
        empty = {"arguments": ""} if item.type == "function_call" else {"content": []}
        begun_item = item.model_copy(update={"status": "in_progress", **empty})
        yield wire.ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=begun_item, **at
        )
        if item.type == "function_call":
            yield from _call(item, at)
        else:
            yield from _message(answer, item, at)
        yield wire.ResponseOutputItemDoneEvent(type="response.output_item.done", item=item, **at)
    if answer.ends == "completed":
        end = wire.ResponseCompletedEvent
    else:
        end = wire.ResponseIncompleteEvent
    yield end(type=f"response.{answer.ends}", response=answer.response(), **number)


def _message(answer: Answer, item: wire.ResponseOutputMessage, at: dict) -> Iterator[BaseModel]:
    inside = {"item_id": item.id, "content_index": 0, **at}
    (part,) = item.content
    empty = part.model_copy(update={"text": ""})
    yield wire.ResponseContentPartAddedEvent(
        type="response.content_part.added", part=empty, **inside
    )
    for piece in answer.reply.pieces(part.text):
        yield wire.ResponseTextDeltaEvent(
            type="response.output_text.delta", delta=piece, logprobs=[], **inside
        )
    yield wire.ResponseTextDoneEvent(
        type="response.output_text.done", text=part.text, logprobs=[], **inside
    )
    yield wire.ResponseContentPartDoneEvent(type="response.content_part.done", part=part, **inside)


def _call(item: wire.ResponseFunctionToolCall, at: dict) -> Iterator[BaseModel]:
    for line in re.split(r"(?<=\\n)", item.arguments):  # a program's lines, as JSON writes them
        yield wire.ResponseFunctionCallArgumentsDeltaEvent(
            type="response.function_call_arguments.delta", delta=line, item_id=item.id, **at
        )
    yield wire.ResponseFunctionCallArgumentsDoneEvent(
        type="response.function_call_arguments.done",
        name=item.name,
        arguments=item.arguments,
        item_id=item.id,
        **at,
    )
