"""``POST /v1/chat/completions``, whole or as a stream, answered by the same tutor."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_type_hints

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import Field

from assistants_server import tokens
from assistants_server.clock import now
from assistants_server.offline.input_items import MessageItem, Question, conversation
from assistants_server.offline.tutors import ask
from assistants_server.store import new_id
from assistants_server.tutor import Reply
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute)


KNOWN = {"stream", *get_type_hints(CompletionCreateParamsBase)}
UNSUPPORTED = {"audio", "functions", "logprobs", "response_format", "tools"}


class CreateChatCompletion(Question):
    messages: Annotated[list[MessageItem], Field(min_length=1)]
    n: Literal[1] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None


@router.post("/chat/completions", response_model=None)
async def create(body: CreateChatCompletion) -> ChatCompletion | StreamingResponse:
    body.refuse(KNOWN, UNSUPPORTED)
    reply = await ask(conversation(body.messages))
    limit = body.max_completion_tokens or body.max_tokens
    text = reply.text if limit is None else tokens.clip(reply.text, limit)
    reason = "stop" if text == reply.text else "length"
    if body.stream:
        chunks = _chunks(body.model, text, reason)
        return StreamingResponse(chunks, media_type="text/event-stream")
    prompt = sum(tokens.count_message(message.text()) for message in body.messages)
    completion = tokens.count(text)
    message = {"role": "assistant", "content": text}
    return ChatCompletion.model_validate(
        {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": now(),
            "model": body.model,
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }
    )


def _chunks(model: str, text: str, reason: str) -> Iterator[str]:
    common = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": now(),
        "model": model,
    }

    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        made = ChatCompletionChunk.model_validate({**common, "choices": [choice]})
        return f"data: {made.model_dump_json(exclude_unset=True)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for piece in Reply.pieces(text):
        yield chunk({"content": piece})
    yield chunk({}, reason)
    yield "data: [DONE]\n\n"
