"""``POST /v1/responses``, whole or as a stream, answered by the tutor."""

from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types import responses as wire
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import BaseModel, ConfigDict, Field

from assistants_server.api.route import StrictRoute
from assistants_server.offline.ask import ask
from assistants_server.offline.events import stream
from assistants_server.offline.response import Answer
from assistants_server.offline.said import Item, Said, conversation, refuse

router = APIRouter(route_class=StrictRoute)

KNOWN = {"stream", *get_type_hints(ResponseCreateParamsBase)}
UNSUPPORTED = {"background", "conversation", "previous_response_id", "prompt"}


class CreateResponse(BaseModel):
    """What the tutor reads of a request; the rest of OpenAI's parameters change nothing for it."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[Item]
    instructions: str | None = None
    stream: bool | None = None
    text: dict[str, Any] | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True

    def items(self) -> list[Item]:
        if isinstance(self.input, str):
            return [Said(role="user", content=self.input)]
        return self.input


@router.post("/responses", response_model=None)
async def create(body: CreateResponse) -> wire.Response | StreamingResponse:
    given = [name for name, value in body.model_extra.items() if value is not None]
    refuse(given, KNOWN, UNSUPPORTED)
    format = (body.text or {}).get("format")
    functions = [tool for tool in body.tools if tool.get("type") == "function"]
    items = body.items()
    reply = await ask(conversation(items, body.instructions, format, functions, body.tool_choice))
    answer = Answer(
        reply,
        model=body.model,
        instructions=body.instructions,
        read=[item.text() for item in items],
        max_output_tokens=body.max_output_tokens,
        tools=functions,
        tool_choice=body.tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
    )
    if body.stream:
        return StreamingResponse(stream(answer), media_type="text/event-stream")
    return answer.response()
