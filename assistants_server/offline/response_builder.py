"""A reply of the tutor as a Response of OpenAI."""

from typing import Any

from openai.types import responses as wire

from assistants_server import tokens
from assistants_server.clock import now
from assistants_server.store import new_id
from assistants_server.tutor import Reply


class Answer:
    """A reply, and what the request said that a response repeats.

    Args:
        read: the texts that the request brought, for counting.
        max_output_tokens: where to cut the reply.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        model: str,
        instructions: str | None,
        read: list[str],
        max_output_tokens: int | None,
        tools: list[dict[str, Any]],
        tool_choice: str | dict[str, Any],
        parallel_tool_calls: bool,
    ) -> None:
        self.reply = reply
        text, limit = reply.text, max_output_tokens
        self.text = text if limit is None else tokens.clip(text, limit)
        self.ends = "completed" if self.text == text else "incomplete"
        calls = reply.calls if parallel_tool_calls else reply.calls[:1]
        self.items = [self._call(call.name, call.arguments) for call in calls]
        if self.text or not self.items:
            self.items.insert(0, self._message())
        self._common: dict[str, Any] = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": now(),
            "model": model,
            "instructions": instructions,
            "max_output_tokens": limit,
            "parallel_tool_calls": parallel_tool_calls,
            "tools": [{"strict": None, "parameters": None, **tool} for tool in tools],
            "tool_choice": tool_choice,
        }
        prompt = tokens.count(instructions or "") + sum(map(tokens.count_message, read))
        written = tokens.count(self.text)
        written += sum(tokens.count(f"{call.name}{call.arguments}") for call in calls)
        self._usage = wire.ResponseUsage(
            input_tokens=prompt,
            input_tokens_details={"cached_tokens": 0, "cache_write_tokens": 0},
            output_tokens=written,
            output_tokens_details={"reasoning_tokens": 0},
            total_tokens=prompt + written,
        )

    def begun(self) -> wire.Response:
        """Return the response as it is before anything has been said."""
        return wire.Response(**self._common, status="in_progress", output=[])

    def response(self) -> wire.Response:
        """Return the finished response."""
        reason = {"reason": "max_output_tokens"} if self.ends == "incomplete" else None
        return wire.Response(
            **self._common,
            status=self.ends,
            output=self.items,
            incomplete_details=reason,
            usage=self._usage,
        )

    def _message(self) -> wire.ResponseOutputMessage:
        part = wire.ResponseOutputText(type="output_text", text=self.text, annotations=[])
        return wire.ResponseOutputMessage(
            id=new_id("msg_"), type="message", role="assistant", status=self.ends, content=[part]
        )

    def _call(self, name: str, arguments: str) -> wire.ResponseFunctionToolCall:
        return wire.ResponseFunctionToolCall(
            id=new_id("fc_"),
            call_id=new_id("call_"),
            type="function_call",
            name=name,
            arguments=arguments,
            status="completed",
        )
