"""Show objects and messages."""

import json
from collections.abc import Iterable

from openai import BaseModel, OpenAI
from openai.types.beta.threads import Message


def show_json(item: BaseModel, *fields: str) -> None:
    """Print an object of the API as JSON: all of it, or only the fields named."""
    whole = item.model_dump(mode="json", by_alias=True)
    chosen = {field: whole[field] for field in fields} if fields else whole
    print(json.dumps(chosen, indent=2, ensure_ascii=False))


def pretty_print(messages: Iterable[Message], client: OpenAI | None = None) -> None:
    """Print messages as a conversation: who, and what.

    Args:
        client: where to fetch images from, to show them in place in a notebook. Without it they
            are named.
    """
    for message in messages:
        print(f"{message.role}: {message_text(message)}")
        for block in message.content:
            if client and block.type == "image_file":
                _show_image(client.files.content(block.image_file.file_id).read())


def message_text(message: Message) -> str:
    """Return the text of a message, with its images named."""
    return "\n".join(_text(block) for block in message.content) or "(empty)"


def _show_image(content: bytes) -> None:
    from IPython.display import Image, display

    display(Image(content))


def _text(block) -> str:
    match block.type:
        case "text":
            return block.text.value
        case "refusal":
            return f"(refused) {block.refusal}"
        case "image_file":
            return f"[image {block.image_file.file_id}]"
        case "image_url":
            return f"[image {block.image_url.url}]"
        case _:
            return f"[{block.type}]"
