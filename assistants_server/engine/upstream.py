"""One model turn: a Responses API, whoever answers it, read as a stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import openai
from openai import AsyncOpenAI, AsyncStream
from openai.types.beta.threads import MessageContent, RefusalContentBlock, Text, TextContentBlock


@dataclass(frozen=True)
class Upstream:
    """Where model turns come from.

    Attributes:
        base_url: the address that ends in ``/v1``.
        api_key: sent to that address and shown to nobody.
    """

    base_url: str
    api_key: str = field(repr=False)

    def client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.base_url, api_key=self.api_key)


class UpstreamError(Exception):
    """The upstream gave no answer. `code` is one of the three that a run's last_error knows."""

    def __init__(self, message: str, code: str = "server_error") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Call:
    """A function that the model wants called. `arguments` is what it wrote, JSON or not."""

    id: str
    name: str
    arguments: str


@dataclass
class Turn:
    """A finished model turn: message blocks as the Assistants API writes them, and its tokens."""

    blocks: list[MessageContent]
    calls: list[Call]
    usage: dict[str, int]
    cut_short: bool


async def stream_turn(client: AsyncOpenAI, request: dict[str, Any]) -> AsyncIterator[str | Turn]:
    """Ask for one turn; yield the text piece by piece, and at last the whole `Turn`.

    Raises:
        UpstreamError: no connection, an error status, a failed response or a stream that ends
            before the response does.
    """
    response = None
    try:
        # Plain dicts: some servers leave out fields that the SDK's models promise, and building a
        # model of each event takes longer than all the rest of a turn.
        stream = await client.post(
            "/responses",
            body={**request, "stream": True},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        async with stream:
            async for event in stream:
                match event.get("type"):
                    case "response.output_text.delta":
                        yield event["delta"]
                    case "response.completed" | "response.incomplete":
                        response = event["response"]
                    case "response.failed":
                        raise _failure(event["response"].get("error") or {})
                    case "error":
                        raise _failure(event)
    except openai.APIStatusError as error:
        code = "rate_limit_exceeded" if error.status_code == 429 else "server_error"
        raise UpstreamError(
            f"The model's server answered {error.status_code}: {_reason(error)}", code
        ) from error
    except openai.APIError as error:
        raise UpstreamError(f"The model's server could not be read: {error.message}") from error
    if response is None:
        raise UpstreamError("The model's server ended its stream before the answer was complete.")
    yield _turn(response)


def text_block(text: str) -> TextContentBlock:
    """Return a message's text as the Assistants API writes it."""
    return TextContentBlock(type="text", text=Text(value=text, annotations=[]))


def _turn(response: dict[str, Any]) -> Turn:
    blocks, calls = [], []
    for item in response.get("output") or []:
        if item.get("type") == "function_call":
            calls.append(Call(item["call_id"], item["name"], item.get("arguments") or ""))
        for part in item.get("content") or [] if item.get("type") == "message" else []:
            if part["type"] == "refusal":
                blocks.append(RefusalContentBlock(type="refusal", refusal=part["refusal"]))
            else:
                blocks.append(text_block(part["text"]))
    usage = response.get("usage") or {}
    return Turn(
        blocks=blocks,
        calls=calls,
        usage={
            "prompt_tokens": usage.get("input_tokens", 0),
            "completion_tokens": usage.get("output_tokens", 0),
            "total_tokens": usage.get("total_tokens", 0),
        },
        cut_short=response.get("status") == "incomplete",
    )


def _failure(error: dict[str, Any]) -> UpstreamError:
    code = error.get("code")
    message = error.get("message") or "The model's server gave no reason."
    return UpstreamError(message, code if code == "rate_limit_exceeded" else "server_error")


def _reason(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or "it gave no reason")
