"""``POST /v1/responses``, whole or as a stream, answered by the tutor."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types import responses as wire
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import BaseModel, ConfigDict, Field

from assistants_server import tokens
from assistants_server.offline.ask import ask
from assistants_server.offline.said import Said, conversation, refuse
from assistants_server.store import new_id
from assistants_server.tutor import Reply

router = APIRouter()

KNOWN = {"stream", *get_type_hints(ResponseCreateParamsBase)}
UNSUPPORTED = {"background", "conversation", "previous_response_id", "prompt"}


class CreateResponse(BaseModel):
    """What the tutor reads of a request; the rest of OpenAI's parameters change nothing for it."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[Said]
    instructions: str | None = None
    stream: bool | None = None
    text: dict[str, Any] | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None

    def said(self) -> list[Said]:
        if isinstance(self.input, str):
            return [Said(role="user", content=self.input)]
        return self.input


@router.post("/responses", response_model=None)
async def create(body: CreateResponse) -> wire.Response | StreamingResponse:
    given = [name for name, value in body.model_extra.items() if value is not None]
    refuse(given, KNOWN, UNSUPPORTED)
    format = (body.text or {}).get("format")
    reply = await ask(conversation(body.said(), body.instructions, format))
    answer = Answer(body, reply)
    if body.stream:
        return StreamingResponse(answer.events(), media_type="text/event-stream")
    return answer.response("completed")


class Answer:
    """A reply of the tutor as a response, and as the events that lead to it."""

    def __init__(self, request: CreateResponse, reply: Reply) -> None:
        self.request = request
        self.reply = reply
        self.id = new_id("resp_")
        self.item_id = new_id("msg_")
        self.created_at = int(time.time())
        limit = request.max_output_tokens
        self.text = reply.text if limit is None else tokens.clip(reply.text, limit)
        self.ends = "completed" if self.text == reply.text else "incomplete"

    def response(self, status: str) -> wire.Response:
        if status == "completed":
            status = self.ends
        ended = status != "in_progress"
        return wire.Response(
            id=self.id,
            object="response",
            created_at=self.created_at,
            model=self.request.model,
            status=status,
            output=[self._message(self.text, self.ends)] if ended else [],
            incomplete_details={"reason": "max_output_tokens"} if status == "incomplete" else None,
            instructions=self.request.instructions,
            max_output_tokens=self.request.max_output_tokens,
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
            usage=self._usage() if ended else None,
        )

    def _message(self, text: str | None, status: str) -> wire.ResponseOutputMessage:
        return wire.ResponseOutputMessage(
            id=self.item_id,
            type="message",
            role="assistant",
            status=status,
            content=[] if text is None else [self._part(text)],
        )

    def _part(self, text: str) -> wire.ResponseOutputText:
        return wire.ResponseOutputText(type="output_text", text=text, annotations=[])

    def _usage(self) -> wire.ResponseUsage:
        prompt = tokens.count(self.request.instructions or "")
        prompt += sum(tokens.count_message(message.text()) for message in self.request.said())
        completion = tokens.count(self.text)
        return wire.ResponseUsage(
            input_tokens=prompt,
            input_tokens_details={"cached_tokens": 0, "cache_write_tokens": 0},
            output_tokens=completion,
            output_tokens_details={"reasoning_tokens": 0},
            total_tokens=prompt + completion,
        )

    async def events(self) -> AsyncIterator[str]:
        """Yield the stream, in as few pieces as the tutor's pauses allow."""
        ready = ""
        for number, event in enumerate(self._events()):
            ready += f"event: {event.type}\ndata: {_numbered(event, number)}\n\n"
            if self.reply.pause and event.type == "response.output_text.delta":
                yield ready
                ready = ""
                await asyncio.sleep(self.reply.pause)
        yield ready

    def _events(self) -> Iterator[BaseModel]:
        at = {"output_index": 0, "sequence_number": 0}
        inside = {"item_id": self.item_id, "content_index": 0, **at}
        begun, ended = self.response("in_progress"), self.response("completed")
        empty, part = self._part(""), self._part(self.text)
        started, message = self._message(None, "in_progress"), self._message(self.text, self.ends)
        yield wire.ResponseCreatedEvent(type="response.created", response=begun, sequence_number=0)
        yield wire.ResponseInProgressEvent(
            type="response.in_progress", response=begun, sequence_number=0
        )
        yield wire.ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=started, **at
        )
        yield wire.ResponseContentPartAddedEvent(
            type="response.content_part.added", part=empty, **inside
        )
        for piece in self.reply.pieces(self.text):
            yield wire.ResponseTextDeltaEvent(
                type="response.output_text.delta", delta=piece, logprobs=[], **inside
            )
        yield wire.ResponseTextDoneEvent(
            type="response.output_text.done", text=self.text, logprobs=[], **inside
        )
        yield wire.ResponseContentPartDoneEvent(
            type="response.content_part.done", part=part, **inside
        )
        yield wire.ResponseOutputItemDoneEvent(type="response.output_item.done", item=message, **at)
        if self.ends == "completed":
            yield wire.ResponseCompletedEvent(
                type="response.completed", response=ended, sequence_number=0
            )
        else:
            yield wire.ResponseIncompleteEvent(
                type="response.incomplete", response=ended, sequence_number=0
            )


def _numbered(event: BaseModel, number: int) -> str:
    event.sequence_number = number
    return event.model_dump_json(by_alias=True, exclude_none=True)
