"""Messages, calls and their outputs as items of a request's input."""

import asyncio
import base64
import json
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openai.types import FileObject
from openai.types.beta.threads import Message, MessageContent
from openai.types.beta.threads.runs import ToolCall

from assistants_server import tokens
from assistants_server.store import NotFound, Store
from assistants_server.tools import KINDS
from assistants_server.wire import Run

Item = dict[str, Any]

MOST_IMAGE_BYTES = 20 * 1024 * 1024  # as OpenAI
TOKENS_OF_AN_IMAGE = 1000  # about what OpenAI's models take for one


class ImageTooLarge(Exception):
    """An image is too large to be sent to a model; the message names it."""


async def of_message(store: Store, message: Message, run: Run) -> Item:
    """Return a message of the thread.

    Args:
        run: who asks. Of files for a tool that it does not have, the model is told nothing.

    Raises:
        ImageTooLarge: an image of it is.
        NotFound: the file of an image has been deleted.
    """
    if message.role == "assistant":
        return _answer(message)
    parts = [await _part(store, block) for block in message.content]
    for tool in {each.type: KINDS[each.type] for each in run.tools}.values():
        if note := tool.note(_names(store, message, tool.type)):
            parts.append({"type": "input_text", "text": note})
    return {"role": "user", "content": parts}


def of_turn(items: Iterable[Item], calls: Iterable[ToolCall], first: int) -> list[Item]:
    """Return what the model wrote in a turn, each call with its output behind it.

    Args:
        calls: the records of the calls among the items, in order.
        first: which of the run's calls the first of them is, from 0.
    """
    made, number = iter(calls), first
    sent: list[Item] = []
    for item in items:
        sent.append(item)
        if item["type"] == "function_call":
            call = next(made)
            output = KINDS[call.type].output(call, number, item["arguments"])
            sent.append({"type": "function_call_output", "call_id": call.id, "output": output})
            number += 1
    return sent


def without_thoughts(items: Iterable[Item]) -> list[Item]:
    """Return items as another model reads them, or another account: without reasoning.

    Ids go too: by its id OpenAI looks for the reasoning of an item, and refuses it without that.
    """
    return [
        {name: value for name, value in item.items() if name != "id"}
        for item in items
        if item.get("type") != "reasoning"
    ]


def without_messages(items: Iterable[Item]) -> list[Item]:
    """Return the items of a turn whose message was deleted: without it, and what it was thought for."""
    kept: list[Item] = []
    for item in items:
        if item["type"] != "message":
            kept.append(item)
        while item["type"] == "message" and kept and kept[-1]["type"] == "reasoning":
            kept.pop()
    return kept


def count(item: Item) -> int:
    """Return the estimated number of tokens of an item."""
    content = item.get("content")
    if item.get("type", "message") != "message":
        fields = ("name", "arguments", "output", "encrypted_content")
        text = "".join(str(item.get(name) or "") for name in fields) or json.dumps(item)
        return tokens.count_message(text)
    if isinstance(content, str):
        return tokens.count_message(content)
    parts = content or []
    text = "\n".join(each.get("text") or each.get("refusal") or "" for each in parts)
    images = sum(each["type"] == "input_image" for each in parts)
    return tokens.count_message(text) + images * TOKENS_OF_AN_IMAGE


def _answer(message: Message) -> Item:
    texts = [block.text.value for block in message.content if block.type == "text"]
    refusals = [block.refusal for block in message.content if block.type == "refusal"]
    if not refusals:
        return {"role": "assistant", "content": "\n".join(texts)}
    parts: list[Item] = [{"type": "output_text", "text": each, "annotations": []} for each in texts]
    parts += [{"type": "refusal", "refusal": each} for each in refusals]
    return {
        "type": "message",
        "id": message.id,
        "role": "assistant",
        "status": "completed",
        "content": parts,
    }


def _names(store: Store, message: Message, tool: str) -> list[str]:
    """Return the names of the files that are attached to a message for a tool."""
    names = []
    for attachment in message.attachments or ():
        if attachment.file_id and any(each.type == tool for each in attachment.tools or ()):
            try:
                names.append(store.get(FileObject, attachment.file_id).filename)
            except NotFound:
                names.append("(deleted)")
    return names


async def _part(store: Store, block: MessageContent) -> Item:
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
