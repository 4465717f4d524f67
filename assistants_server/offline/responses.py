"""``POST /v1/responses``, whole or as a stream, answered by the tutor."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types import responses as wire
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import Field, ValidationError

from assistants_server.offline import input_items
from assistants_server.offline.events import SPOKEN, events_of, stream
from assistants_server.offline.response_builder import build_response
from assistants_server.offline.tutors import ask
from assistants_server.web import fields
from assistants_server.web.errors import ApiError, refusal
from assistants_server.web.event_headers import EVENT_STREAM, UNBUFFERED
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute)

KNOWN = {"stream", *get_type_hints(ResponseCreateParamsBase)}
SECONDS_BETWEEN_TRIES = (0.5, 1.0)
UNSUPPORTED = {"background", "conversation", "previous_response_id", "prompt"}
REPEATED = {"model", "instructions", "max_output_tokens", "tools", "tool_choice"}
REPEATED |= {"parallel_tool_calls"}


class JsonSchemaFormat(fields.JsonSchema):
    type: Literal["json_schema"]


Format = Annotated[
    fields.TextFormat | fields.JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class TextSettings(fields.Body):
    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class FunctionTool(fields.FunctionDefinition):
    type: Literal["function"]


class FunctionChoice(fields.Body):
    type: Literal["function"]
    name: str


class CreateResponse(input_items.Question):
    input: str | list[input_items.Item]
    instructions: str | None = None
    text: TextSettings | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] = []
    tool_choice: input_items.Choice | FunctionChoice = "auto"
    parallel_tool_calls: bool = True

    def items(self) -> list[input_items.Item]:
        if isinstance(self.input, str):
            return [input_items.MessageItem(role="user", content=self.input)]
        return self.input

    def tool_settings(self) -> input_items.ToolSettings:
        choice = self.tool_choice
        if isinstance(choice, str):
            return input_items.ToolSettings(self.tools, choice, None)
        return input_items.ToolSettings(self.tools, "required", choice.name)


@router.post("/responses", response_model=None)
async def create(body: CreateResponse) -> wire.Response | StreamingResponse:
    response, pause = await _respond(body)
    if body.stream:
        events = stream(response, pause)
        return StreamingResponse(events, media_type=EVENT_STREAM, headers=UNBUFFERED)
    return response


async def answer(request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """Yield the events that answer a request of this process: as a stream has them, without HTTP.

    Raises:
        ApiError: as for a request of a client.
    """
    try:
        body = CreateResponse.model_validate(request)
    except ValidationError as error:
        found = error.errors(include_url=False)
        errors = [{**each, "loc": ("body", *each["loc"])} for each in found]
        raise refusal(errors, request) from None
    response, pause = await _try_again(body)
    for event in events_of(response):
        yield event.model_dump(by_alias=True, exclude_none=True)
        if pause and event.type == SPOKEN:
            await asyncio.sleep(pause)


async def _try_again(body: CreateResponse) -> tuple[wire.Response, float]:
    """Respond; if the tutor is busy or does not start, try twice more, as OpenAI's clients do."""
    for seconds in SECONDS_BETWEEN_TRIES:
        try:
            return await _respond(body)
        except ApiError as error:
            if error.status < 429:
                raise
        await asyncio.sleep(seconds)
    return await _respond(body)


async def _respond(body: CreateResponse) -> tuple[wire.Response, float]:
    """Return the tutor's response, and the seconds that it waits after each word."""
    body.refuse(KNOWN, UNSUPPORTED)
    items, tools = body.items(), body.tool_settings()
    tools.check()
    input_items.check_calls(items, "input")
    format = input_items.json_format(body.text.format if body.text else None)
    reply = await ask(input_items.conversation(items, tools, format, body.instructions))
    settings = body.model_dump(include=REPEATED)
    return build_response(reply, [item.text() for item in items], settings), reply.pause
