"""Show objects and messages."""

import json
from collections.abc import Iterable

from openai import BaseModel
from openai.types.beta.threads import Message


def show_json(item: BaseModel, *fields: str) -> None:
    """Print an object of the API as JSON: all of it, or only the fields named."""
    whole = item.model_dump(mode="json", by_alias=True)
    chosen = {field: whole[field] for field in fields} if fields else whole
    print(json.dumps(chosen, indent=2, ensure_ascii=False))


def pretty_print(messages: Iterable[Message]) -> None:
    """Print messages as a conversation: who, and what. Images are named, not shown."""
    for message in messages:
        text = "\n".join(_text(block) for block in message.content) or "(empty)"
        print(f"{message.role}: {text}")


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
