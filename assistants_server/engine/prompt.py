"""Turns a run and its thread into the body of a request to the Responses API."""

import asyncio
import base64
import json
import mimetypes
from pathlib import Path
from typing import Any

from openai.types import FileObject
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from assistants_server import tokens
from assistants_server.engine import search
from assistants_server.engine.tools import choice, file_names, offered
from assistants_server.store import NotFound, Reasoning, Store

FEWEST_OUTPUT_TOKENS = 16  # the least that the Responses API takes
MOST_IMAGE_BYTES = 20 * 1024 * 1024  # as OpenAI


class PromptTooLong(Exception):
    """Not even the newest message fits into the run's max_prompt_tokens."""


class ImageTooLarge(Exception):
    """An image is too large to be sent to a model; the message names it."""


async def build_request(store: Store, run: Run) -> dict[str, Any]:
    """Return the arguments for ``client.responses.create``.

    What the caller did not set is left out, because some models refuse a temperature.

    Raises:
        PromptTooLong: the run's max_prompt_tokens leaves no room for the newest message.
        ImageTooLarge: one of the images is.
        NotFound: a message of this run, or the file of an image, has been deleted.
    """
    steps = store.all(RunStep, run.id)
    spoken = {
        step.step_details.message_creation.message_id
        for step in steps
        if step.type == "message_creation"
    }
    kept = await _kept(store, run, spoken)
    messages = [await _item(store, message) for message in kept]
    called = any(step.type == "tool_calls" for step in steps)
    tools = offered(run, await file_names(store, run))
    request = {
        "model": run.model,
        "instructions": run.instructions or None,
        "input": messages + [item for step in steps for item in await _done(store, steps, step)],
        "max_output_tokens": _tokens_left(run, steps),
        "tools": tools or None,
        # A forced call would be forced again after its output, for ever.
        "tool_choice": ("auto" if called else choice(run)) if tools else None,
        "parallel_tool_calls": run.parallel_tool_calls if tools else None,
        "temperature": run.temperature,
        "top_p": run.top_p,
        "text": _text_format(run),
        "reasoning": _reasoning(run),
        # What a model thinks on the way to a call is not kept there, so it is to give it to us.
        "include": ["reasoning.encrypted_content"] if tools else None,
        "store": False,
    }
    return {name: value for name, value in request.items() if value is not None}


async def _done(store: Store, steps: list[RunStep], step: RunStep) -> list[dict[str, Any]]:
    """Return what a step of this run adds to the conversation: a message, or calls and outputs."""
    if step.type == "message_creation":
        message = store.get(Message, step.step_details.message_creation.message_id)
        return [await _item(store, message)] if message.content else []
    items = _thoughts(store, step)
    for call in step.step_details.tool_calls:
        if call.type == "code_interpreter":
            name, arguments = "code_interpreter", json.dumps({"code": call.code_interpreter.input})
            output = _told(call.code_interpreter.outputs)
        elif call.type == "file_search":
            name, arguments = "file_search", "{}"
            number = [each.id for each in search.calls_of(steps)].index(call.id)
            output = search.told(call, number)
        else:
            name, arguments = call.function.name, call.function.arguments
            output = call.function.output or ""
        named = {"type": "function_call", "call_id": call.id, "name": name}
        items.append({**named, "arguments": arguments})
        items.append({"type": "function_call_output", "call_id": call.id, "output": output})
    return items


def _thoughts(store: Store, step: RunStep) -> list[dict[str, Any]]:
    try:
        return list(store.get(Reasoning, Reasoning.id_behind(step.id)).items)
    except NotFound:  # few models show any
        return []


def _told(outputs: list) -> str:
    """Return what a model is told of the outputs of its code."""
    logs = [output.logs for output in outputs if output.type == "logs"]
    figures = sum(output.type == "image" for output in outputs)
    if figures:
        logs.append(f"[{figures} figure(s) drawn; the user will see them in your message]")
    return "\n".join(logs) or "[no output]"


def _tokens_left(run: Run, steps: list[RunStep]) -> int | None:
    if run.max_completion_tokens is None:
        return None
    used = sum(step.usage.completion_tokens for step in steps if step.usage)
    return max(run.max_completion_tokens - used, FEWEST_OUTPUT_TOKENS)


async def _kept(store: Store, run: Run, spoken: set[str]) -> list[Message]:
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
    sizes = [_size(message) for message in newest]
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


def _size(message: Message) -> int:
    return tokens.count_message(plain_text(message))


def plain_text(message: Message) -> str:
    """Return the text of a message, without its images."""
    return "\n".join(block.text.value for block in message.content if block.type == "text")


async def _item(store: Store, message: Message) -> dict[str, Any]:
    if message.role == "assistant":
        return {"role": "assistant", "content": plain_text(message)}
    return {"role": "user", "content": [await _part(store, block) for block in message.content]}


async def _part(store: Store, block: Any) -> dict[str, Any]:
    match block.type:
        case "text":
            return {"type": "input_text", "text": block.text.value}
        case "image_url":
            image, url = block.image_url, block.image_url.url
        case "image_file":
            image, url = block.image_file, await _data_url(store, block.image_file.file_id)
    return {"type": "input_image", "image_url": url, "detail": image.detail or "auto"}


async def _data_url(store: Store, file_id: str) -> str:
    file = store.get(FileObject, file_id)
    kind = mimetypes.guess_type(file.filename)[0] or "image/png"
    try:
        content = await asyncio.to_thread(_encoded, store.content(file_id))
    except FileNotFoundError:
        raise NotFound("file", file_id) from None
    except ValueError:
        raise ImageTooLarge(
            f"The image {file_id} is larger than {MOST_IMAGE_BYTES // 1024**2} MB. Make it smaller, "
            "or delete the message that shows it; then create the run again."
        ) from None
    return f"data:{kind};base64,{content}"


def _encoded(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MOST_IMAGE_BYTES + 1)
    if len(content) > MOST_IMAGE_BYTES:
        raise ValueError
    return base64.b64encode(content).decode()


def _text_format(run: Run) -> dict[str, Any] | None:
    wanted = run.response_format
    if wanted is None or wanted == "auto":
        return None
    if wanted.type == "json_schema":
        schema = wanted.json_schema.model_dump(by_alias=True, exclude_none=True)
        return {"format": {"type": "json_schema", **schema}}
    return {"format": {"type": wanted.type}}


def _reasoning(run: Run) -> dict[str, Any] | None:
    effort = (run.model_extra or {}).get("reasoning_effort")
    return {"effort": effort} if effort else None
