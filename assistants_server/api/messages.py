"""``/threads/{thread_id}/messages``: create, list, retrieve, modify, delete."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from openai.types import FileObject
from openai.types.beta import Thread
from openai.types.beta.threads import Message, MessageDeleted
from pydantic import Field

from assistants_server.api import fields, resources
from assistants_server.api.context import TheLibrary, TheStore
from assistants_server.api.errors import ApiError
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.api.route import StrictRoute
from assistants_server.clock import now
from assistants_server.engine import active_run
from assistants_server.store import Store, new_id

router = APIRouter(prefix="/threads/{thread_id}/messages", route_class=StrictRoute)

Detail = Literal["auto", "low", "high"]


class TextPart(fields.Body):
    type: Literal["text"]
    text: str


class ImageUrl(fields.Body):
    url: str
    detail: Detail = "auto"


class ImageUrlPart(fields.Body):
    type: Literal["image_url"]
    image_url: ImageUrl


class ImageFile(fields.Body):
    file_id: str
    detail: Detail = "auto"


class ImageFilePart(fields.Body):
    type: Literal["image_file"]
    image_file: ImageFile


Part = Annotated[TextPart | ImageUrlPart | ImageFilePart, Field(discriminator="type")]


class AttachmentTool(fields.Body):
    type: Literal["code_interpreter", "file_search"]


class Attachment(fields.Body):
    file_id: str
    tools: list[AttachmentTool]


class ModifyMessage(fields.Body):
    metadata: fields.Metadata | None = None


class CreateMessage(ModifyMessage):
    role: Literal["user", "assistant"]
    content: str | Annotated[list[Part], Field(min_length=1)]
    attachments: list[Attachment] | None = None


class MessageCursor(Cursor):
    run_id: str | None = None


def add_message(store: Store, thread_id: str, body: CreateMessage) -> Message:
    """Store a new message at the end of a thread.

    Raises:
        NotFound: there is no such thread, or no such file as the message names.
        ApiError: 400, a run is active on the thread.
    """
    with store.transaction():
        store.get(Thread, thread_id)
        if run := active_run(store, thread_id):
            raise ApiError(
                400, f"Can't add messages to {thread_id} while a run {run.id} is active."
            )
        message = Message.model_validate(
            {
                "id": new_id("msg_"),
                "object": "thread.message",
                "created_at": now(),
                "thread_id": thread_id,
                "status": "completed",
                "completed_at": now(),
                "role": body.role,
                "content": _content(store, body.content),
                "attachments": _attachments(store, body.attachments or []),
                "metadata": body.metadata or {},
            }
        )
        store.insert(message, parent=thread_id)
    return message


def to_search(messages: Iterable[CreateMessage]) -> list[str]:
    """Return the ids of the files that messages attach for file search."""
    return [
        attachment.file_id
        for message in messages
        for attachment in message.attachments or ()
        if any(tool.type == "file_search" for tool in attachment.tools)
    ]


def _content(store: Store, content: str | list[Part]) -> list[dict]:
    parts = [TextPart(type="text", text=content)] if isinstance(content, str) else content
    wire = []
    for part in parts:
        if isinstance(part, TextPart):
            wire.append({"type": "text", "text": {"value": part.text, "annotations": []}})
            continue
        if isinstance(part, ImageFilePart):
            store.get(FileObject, part.image_file.file_id)
        wire.append(part.model_dump())
    return wire


def _attachments(store: Store, attachments: list[Attachment]) -> list[dict]:
    for attachment in attachments:
        store.get(FileObject, attachment.file_id)
    return [attachment.model_dump() for attachment in attachments]


@router.post("")
async def create(
    thread_id: str, body: CreateMessage, store: TheStore, library: TheLibrary
) -> Message:
    async with AsyncExitStack() as undo:
        message = add_message(store, thread_id, body)
        undo.push_async_callback(resources.take_back, store, message)
        await resources.attach(library, store, thread_id, to_search([body]), undo)
        undo.pop_all()
    return message


@router.get("")
async def list_all(
    thread_id: str, cursor: Annotated[MessageCursor, Query()], store: TheStore
) -> ListPage[Message]:
    store.get(Thread, thread_id)
    paging = cursor.model_dump()
    run_id = paging.pop("run_id")
    matching = {"run_id": run_id} if run_id else None
    return ListPage[Message].of(store.page(Message, thread_id, matching=matching, **paging))


@router.get("/{message_id}")
async def retrieve(thread_id: str, message_id: str, store: TheStore) -> Message:
    return store.get(Message, message_id, thread_id)


@router.post("/{message_id}")
async def modify(thread_id: str, message_id: str, body: ModifyMessage, store: TheStore) -> Message:
    with store.change(Message, message_id, thread_id) as message:
        message.metadata = body.metadata
    return message


@router.delete("/{message_id}")
async def delete(thread_id: str, message_id: str, store: TheStore) -> MessageDeleted:
    store.delete(Message, message_id, thread_id)
    return MessageDeleted(id=message_id, deleted=True, object="thread.message.deleted")
