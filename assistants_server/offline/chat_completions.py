"""``POST /v1/chat/completions``, whole or as a stream, answered by the same tutor."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import Field

from assistants_server import tokens
from assistants_server.clock import now
from assistants_server.offline.chat_messages import ChatMessage
from assistants_server.offline.input_items import (
    Choice,
    Question,
    ToolSettings,
    check_calls,
    conversation,
    json_format,
)
from assistants_server.offline.tutors import ask
from assistants_server.store import new_id
from assistants_server.tutor import Reply, ToolCall
from assistants_server.web import fields
from assistants_server.web.event_headers import EVENT_STREAM, UNBUFFERED
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute)


KNOWN = {"stream", *get_type_hints(CompletionCreateParamsBase)}
UNSUPPORTED = {"audio", "functions", "logprobs"}

Format = Annotated[
    fields.TextFormat | fields.JsonObjectFormat | fields.JsonSchemaFormat,
    Field(discriminator="type"),
]


class FunctionTool(fields.Body):
    type: Literal["function"]
    function: fields.FunctionDefinition


class NamedFunction(fields.Body):
    name: str


class FunctionChoice(fields.Body):
    type: Literal["function"]
    function: NamedFunction


class StreamOptions(fields.Body):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class CreateChatCompletion(Question):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    n: Literal[1] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    response_format: Format | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Choice | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    stream_options: StreamOptions | None = None

    def tool_settings(self) -> ToolSettings:
        functions = [tool.function for tool in self.tools or ()]
        if isinstance(self.tool_choice, FunctionChoice):
            return ToolSettings(functions, "required", self.tool_choice.function.name)
        return ToolSettings(functions, self.tool_choice or "auto", None)


@router.post("/chat/completions", response_model=None)
async def create(body: CreateChatCompletion) -> ChatCompletion | StreamingResponse:
    body.refuse(KNOWN, UNSUPPORTED)
    items = [item for message in body.messages for item in message.items()]
    tools = body.tool_settings()
    tools.check()
    check_calls(items, "messages")
    wanted = body.response_format
    schema = wanted.json_schema if isinstance(wanted, fields.JsonSchemaFormat) else wanted
    reply = await ask(conversation(items, tools, json_format(schema)))
    limit = body.max_completion_tokens or body.max_tokens
    text = reply.text if limit is None else tokens.clip(reply.text, limit)
    made = reply.calls[:1] if body.parallel_tool_calls is False else reply.calls
    calls = [_call(call) for call in made]
    reason = "tool_calls" if calls else "stop" if text == reply.text else "length"
    prompt = sum(tokens.count_message(item.text()) for item in items)
    written = sum(map(tokens.count, [text, *(f"{call.name}{call.arguments}" for call in made)]))
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    }
    if body.stream:
        shows_usage = body.stream_options and body.stream_options.include_usage
        chunks = _chunks(body.model, text, calls, reason, usage if shows_usage else None)
        return StreamingResponse(chunks, media_type=EVENT_STREAM, headers=UNBUFFERED)
    message = {"role": "assistant", "content": text or None, "tool_calls": calls or None}
    return ChatCompletion.model_validate(
        {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": now(),
            "model": body.model,
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": usage,
        }
    )


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": new_id("call_"), "type": "function", "function": function}


def _chunks(
    model: str,
    text: str,
    calls: list[dict[str, Any]],
    reason: str,
    usage: dict[str, int] | None,
) -> Iterator[str]:
    common = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": now(),
        "model": model,
    }

    def chunk(**fields: Any) -> str:
        made = ChatCompletionChunk.model_validate({**common, **fields})
        return f"data: {made.model_dump_json(exclude_unset=True)}\n\n"

    def choice(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])

    yield choice({"role": "assistant", "content": None if calls else ""})
    for piece in Reply.pieces(text):
        yield choice({"content": piece})
    for index, call in enumerate(calls):
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        yield choice({"tool_calls": [{"index": index, **begun}]})
        arguments = {"arguments": call["function"]["arguments"]}
        yield choice({"tool_calls": [{"index": index, "function": arguments}]})
    yield choice({}, reason)
    if usage:
        yield chunk(choices=[], usage=usage)
    yield "data: [DONE]\n\n"
