"""Builds OpenAI's Response from a reply of the tutor."""

from typing import Any

from openai.types import responses as wire

from assistants_server import tokens
from assistants_server.clock import now
from assistants_server.store import new_id
from assistants_server.tutor import Reply, ToolCall


def build_response(reply: Reply, read: list[str], settings: dict[str, Any]) -> wire.Response:
    """Return the finished response to a request that brought the texts `read`, which are counted.

    The settings are the fields of the request that a response repeats.
    """
    limit = settings["max_output_tokens"]
    text = reply.text if limit is None else tokens.clip(reply.text, limit)
    is_whole = text == reply.text
    status = "completed" if is_whole else "incomplete"
    calls = reply.calls if settings["parallel_tool_calls"] else reply.calls[:1]
    output = [_message(text, status)] if text or not calls else []
    prompt = tokens.count(settings["instructions"] or "") + sum(map(tokens.count_message, read))
    written = sum(map(tokens.count, [text, *(f"{call.name}{call.arguments}" for call in calls)]))
    return wire.Response.model_validate(
        {
            **settings,
            "id": new_id("resp_"),
            "object": "response",
            "created_at": now(),
            "status": status,
            "incomplete_details": None if is_whole else {"reason": "max_output_tokens"},
            "output": [*output, *map(_call, calls)],
            "usage": {
                "input_tokens": prompt,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": written,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": prompt + written,
            },
        }
    )


def _message(text: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"id": new_id("msg_"), "type": "message", "role": "assistant"}
    return {**message, "status": status, "content": content}


def _call(call: ToolCall) -> dict[str, Any]:
    ids = {"id": new_id("fc_"), "call_id": new_id("call_")}
    made = {"name": call.name, "arguments": call.arguments, "status": "completed"}
    return {"type": "function_call", **ids, **made}
