"""Turns a run and its thread into the body of a request to the Responses API."""

import asyncio
import base64
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from openai.types import FileObject
from openai.types.beta.threads import Message, MessageContent

from assistants_server import tokens
from assistants_server.store import ModelItems, NotFound, Store
from assistants_server.tools import KINDS, Toolbox
from assistants_server.wire import Run, RunStep

FEWEST_OUTPUT_TOKENS = 16  # the least that the Responses API takes
MOST_IMAGE_BYTES = 20 * 1024 * 1024  # as OpenAI


class PromptTooLong(Exception):
    """Not even the newest message fits into the run's max_prompt_tokens."""


class ImageTooLarge(Exception):
    """An image is too large to be sent to a model; the message names it."""


async def build_request(store: Store, run: Run, toolbox: Toolbox) -> dict[str, Any]:
    """Return the arguments for ``client.responses.create``.

    What the caller did not set is left out, because some models refuse a temperature.

    Raises:
        PromptTooLong: the run's max_prompt_tokens leaves no room for the newest message.
        ImageTooLarge: one of the images is.
        NotFound: a message of this run, or the file of an image, has been deleted.
    """
    steps = store.all(RunStep, run.id)
    kept = await _kept(store, run, spoken={step.message_id for step in steps})
    messages = [await _item(store, message) for message in kept]
    called = any(step.type == "tool_calls" for step in steps)
    tools = await toolbox.offer()
    effort = (run.model_extra or {}).get("reasoning_effort")
    request = {
        "model": run.model,
        "instructions": run.instructions or None,
        "input": messages + [item async for item in _done(store, steps)],
        "max_output_tokens": _tokens_left(run, steps),
        "tools": tools or None,
        # A forced call would be forced again after its output, for ever.
        "tool_choice": ("auto" if called else toolbox.choice(run.tool_choice)) if tools else None,
        "parallel_tool_calls": run.parallel_tool_calls if tools else None,
        "temperature": run.temperature,
        "top_p": run.top_p,
        "text": _text_format(run),
        "reasoning": {"effort": effort} if effort else None,
        # What a model thinks on the way to a call is not kept there, so it is to give it to us.
        "include": ["reasoning.encrypted_content"] if tools else None,
        "store": False,
        # Requests of one thread begin alike; so they find the machine that has read the beginning.
        # https://platform.openai.com/docs/guides/prompt-caching
        "prompt_cache_key": run.thread_id,
    }
    return {name: value for name, value in request.items() if value is not None}


async def _done(store: Store, steps: list[RunStep]) -> AsyncIterator[dict[str, Any]]:
    """Yield what the steps of this run add to the conversation: messages, calls and outputs."""
    number = 0
    for step in steps:
        if message_id := step.message_id:
            message = store.get(Message, message_id)
            if message.content:
                yield await _item(store, message)
            continue
        calls = iter(step.calls)
        for item in store.get(ModelItems, ModelItems.id_behind(step.id)).items:
            yield item
            if item["type"] == "function_call":
                call = next(calls)
                output = KINDS[call.type].output(call, number)
                yield {"type": "function_call_output", "call_id": call.id, "output": output}
                number += 1


def _tokens_left(run: Run, steps: list[RunStep]) -> int | None:
    if run.max_completion_tokens is None:
        return None
    used = sum(step.usage.completion_tokens for step in steps if step.usage)
    return max(run.max_completion_tokens - used, FEWEST_OUTPUT_TOKENS)


async def _kept(store: Store, run: Run, spoken: set[str | None]) -> list[Message]:
    """Return the messages that the model gets to read, oldest first.

    OpenAI drops from the middle: what began the conversation stays as long as it can.
    """
    strategy = run.truncation_strategy
    most = strategy.last_messages if strategy and strategy.type == "last_messages" else None
    newest: list[Message] = []
    async for message in store.newest_first(Message, run.thread_id):
        if message.content and message.id not in spoken:
            newest.append(message)
            if len(newest) == most:
                break
    if run.max_prompt_tokens is None:
        return newest[::-1]
    room = run.max_prompt_tokens - tokens.count(run.instructions)
    sizes = [tokens.count_message(plain_text(message)) for message in newest]
    if not sizes or sizes[0] > room:
        raise PromptTooLong
    if sum(sizes) <= room:
        return newest[::-1]
    left, kept = room - sizes[0] - sizes[-1], 1
    if left < 0:  # the newest does not fit beside the oldest
        return newest[:1]
    while sizes[kept] <= left:
        left -= sizes[kept]
        kept += 1
    return [newest[-1], *reversed(newest[:kept])]


def plain_text(message: Message) -> str:
    """Return the text of a message, without its images."""
    return "\n".join(block.text.value for block in message.content if block.type == "text")


async def _item(store: Store, message: Message) -> dict[str, Any]:
    if message.role == "assistant":
        return {"role": "assistant", "content": plain_text(message)}
    return {"role": "user", "content": [await _part(store, block) for block in message.content]}


async def _part(store: Store, block: MessageContent) -> dict[str, Any]:
    detail: str | None
    match block.type:
        case "text":
            return {"type": "input_text", "text": block.text.value}
        case "refusal":
            return {"type": "input_text", "text": block.refusal}
        case "image_url":
            url, detail = block.image_url.url, block.image_url.detail
        case "image_file":
            url, detail = await _data_url(store, block.image_file.file_id), block.image_file.detail
    return {"type": "input_image", "image_url": url, "detail": detail or "auto"}


async def _data_url(store: Store, file_id: str) -> str:
    file = store.get(FileObject, file_id)
    kind = mimetypes.guess_type(file.filename)[0] or "image/png"
    content = await asyncio.to_thread(_encoded, store.content(file_id), file_id)
    return f"data:{kind};base64,{content}"


def _encoded(path: Path, file_id: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_IMAGE_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("file", file_id) from None
    if len(content) > MOST_IMAGE_BYTES:
        raise ImageTooLarge(
            f"The image {file_id} is larger than {MOST_IMAGE_BYTES // 1024**2} MB. Make it smaller, "
            "or delete the message that shows it; then create the run again."
        )
    return base64.b64encode(content).decode()


def _text_format(run: Run) -> dict[str, Any] | None:
    wanted = run.response_format
    if wanted is None or wanted == "auto":
        return None
    if wanted.type == "json_schema":
        schema = wanted.json_schema.model_dump(by_alias=True, exclude_none=True)
        return {"format": {"type": "json_schema", **schema}}
    return {"format": {"type": wanted.type}}
