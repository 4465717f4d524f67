"""``POST /v1/responses``, whole or as a stream, answered by the tutor."""

from typing import Annotated, Literal, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types import responses as wire
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from pydantic import BaseModel, ConfigDict, Field

from assistants_server.offline.ask import ask
from assistants_server.offline.events import stream
from assistants_server.offline.items import Item, MessageItem, check_calls, conversation, refuse
from assistants_server.offline.response import Answer
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import (
    Body,
    FunctionDefinition,
    JsonObjectFormat,
    JsonSchema,
    Metadata,
    Temperature,
    TextFormat,
    TopP,
)
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute)

KNOWN = {"stream", *get_type_hints(ResponseCreateParamsBase)}
UNSUPPORTED = {"background", "conversation", "previous_response_id", "prompt"}


class JsonSchemaFormat(JsonSchema):
    type: Literal["json_schema"]


Format = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class TextSettings(Body):
    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class FunctionTool(FunctionDefinition):
    type: Literal["function"]


class FunctionChoice(Body):
    type: Literal["function"]
    name: str


class CreateResponse(BaseModel):
    """What the tutor reads of a request; the rest of OpenAI's parameters change nothing for it."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: Annotated[str, Field(min_length=1)]
    input: str | list[Item]
    instructions: str | None = None
    stream: bool | None = None
    text: TextSettings | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] = []
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice = "auto"
    parallel_tool_calls: bool = True
    temperature: Temperature | None = None
    top_p: TopP | None = None
    metadata: Metadata | None = None

    def items(self) -> list[Item]:
        if isinstance(self.input, str):
            return [MessageItem(role="user", content=self.input)]
        return self.input

    def format(self) -> dict | None:
        return self.text.format.given() if self.text and self.text.format else None

    def choice(self) -> str | dict:
        """Return the tool_choice.

        Raises:
            ApiError: 400, no tool is offered that it could mean.
        """
        choice, offered = self.tool_choice, [tool.name for tool in self.tools]
        if isinstance(choice, str):
            fits, wanted = bool(offered) or choice != "required", "any tool"
        else:
            fits, wanted = choice.name in offered, f"a tool with the name '{choice.name}'"
        if not fits:
            raise ApiError(
                400,
                f"Invalid 'tool_choice': there is not {wanted} in 'tools'.",
                param="tool_choice",
                code="invalid_value",
            )
        return choice if isinstance(choice, str) else choice.given()


@router.post("/responses", response_model=None)
async def create(body: CreateResponse) -> wire.Response | StreamingResponse:
    given = [name for name, value in body.model_extra.items() if value is not None]
    refuse(given, KNOWN, UNSUPPORTED)
    items, functions = body.items(), [tool.given() for tool in body.tools]
    check_calls(items)
    asked = conversation(items, body.instructions, body.format(), functions, body.choice())
    answer = Answer(
        await ask(asked),
        model=body.model,
        instructions=body.instructions,
        read=[item.text() for item in items],
        max_output_tokens=body.max_output_tokens,
        tools=functions,
        tool_choice=body.choice(),
        parallel_tool_calls=body.parallel_tool_calls,
    )
    if body.stream:
        return StreamingResponse(stream(answer), media_type="text/event-stream")
    return answer.response()
