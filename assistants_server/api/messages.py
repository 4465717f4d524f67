"""``/threads/{thread_id}/messages``: create, list, retrieve, modify, delete."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from openai.types import FileObject
from openai.types.beta.threads import MessageDeleted
from openai.types.beta.threads.message import IncompleteDetails
from pydantic import Field

from assistants_server import wire
from assistants_server.api import tool_resources
from assistants_server.api.context import SECONDS_TO_WAIT, TheLibrary, TheStore
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.clock import now
from assistants_server.engine.states import active_run
from assistants_server.store import NotFound, Row, Store, new_id
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import Body, WithMetadata
from assistants_server.web.shown import LeftOut
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1/threads/{thread_id}/messages", route_class=StrictRoute)

PREPARED_AT_A_TIME = 20
MOST_AT_ONCE = 10_000
MOST_PARTS = 500

Detail = Literal["auto", "low", "high"]
# As OpenAI's since https://github.com/openai/openai-openapi/pull/219.
MessageText = Annotated[str, Field(max_length=256_000)]


class TextPart(Body):
    type: Literal["text"]
    text: MessageText


class ImageUrl(Body):
    url: str
    detail: Detail = "auto"


class ImageUrlPart(Body):
    type: Literal["image_url"]
    image_url: ImageUrl


class ImageFile(Body):
    file_id: str
    detail: Detail = "auto"


class ImageFilePart(Body):
    type: Literal["image_file"]
    image_file: ImageFile


Part = Annotated[TextPart | ImageUrlPart | ImageFilePart, Field(discriminator="type")]


class AttachmentTool(Body):
    type: Literal["code_interpreter", "file_search"]


class Attachment(Body):
    file_id: str
    tools: list[AttachmentTool]


class CreateMessage(WithMetadata):
    role: Literal["user", "assistant"]
    content: MessageText | Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]
    attachments: Annotated[list[Attachment], Field(max_length=MOST_PARTS)] | None = None


Messages = Annotated[list[CreateMessage], Field(max_length=MOST_AT_ONCE)]


class Message(wire.Message):
    """A message as it is answered: one that is whole does not say so, as it does in a stream."""

    status: Annotated[
        Literal["in_progress", "incomplete", "completed"],
        Field(exclude_if=lambda status: status == "completed"),
    ]
    completed_at: Annotated[int | None, Field(exclude=True)] = None
    incomplete_at: Annotated[int | None, LeftOut] = None
    incomplete_details: Annotated[IncompleteDetails | None, LeftOut] = None


class MessageCursor(Cursor):
    run_id: str | None = None


async def prepare(store: Store, thread_id: str, bodies: Sequence[CreateMessage]) -> list[Row]:
    """Return new messages as rows. Other requests are served in between: there may be many.

    Raises:
        NotFound: a message names a file that does not exist.
    """
    rows = []
    for number, body in enumerate(bodies, 1):
        rows.append(store.row(_message(store, thread_id, body), thread_id))
        if number % PREPARED_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return rows


def _message(store: Store, thread_id: str, body: CreateMessage) -> wire.Message:
    parts = body.content
    if isinstance(parts, str):
        parts = [TextPart(type="text", text=parts)]
    attachments = body.attachments or []
    named = [part.image_file.file_id for part in parts if isinstance(part, ImageFilePart)]
    for file_id in [*named, *(each.file_id for each in attachments)]:
        if not store.exists(FileObject, file_id):
            raise NotFound("file", file_id)
    return wire.Message.model_validate(
        {
            "id": new_id("msg_"),
            "object": "thread.message",
            "created_at": now(),
            "thread_id": thread_id,
            "status": "completed",
            "completed_at": now(),
            "role": body.role,
            "content": [_content(part) for part in parts],
            "attachments": [each.model_dump() for each in attachments],
            "metadata": body.metadata or {},
        }
    )


def to_search(messages: Iterable[CreateMessage]) -> list[str]:
    """Return the ids of the files that messages attach for file search."""
    return [
        attachment.file_id
        for message in messages
        for attachment in message.attachments or ()
        if any(tool.type == "file_search" for tool in attachment.tools)
    ]


def _content(part: Part) -> dict:
    if isinstance(part, TextPart):
        return {"type": "text", "text": {"value": part.text, "annotations": []}}
    return part.model_dump()


@router.post("")
async def create(
    thread_id: str, body: CreateMessage, store: TheStore, library: TheLibrary
) -> Message:
    files = to_search([body])
    if files:
        _addable(store, thread_id, body)  # before they are attached
    async with AsyncExitStack() as undo:
        await tool_resources.attach(library, store, thread_id, files, undo)
        async with store.writing(SECONDS_TO_WAIT):
            message = _addable(store, thread_id, body)
            store.insert(message, parent=thread_id)
        undo.pop_all()
    return _answer(message)


def _addable(store: Store, thread_id: str, body: CreateMessage) -> wire.Message:
    """Return a new message, if its thread takes one now.

    Raises:
        NotFound: the thread, or a file that it names, does not exist.
        ApiError: 400, a run is active.
    """
    store.get(wire.Thread, thread_id)
    if run := active_run(store, thread_id):
        raise ApiError(400, f"Can't add messages to {thread_id} while a run {run.id} is active.")
    return _message(store, thread_id, body)


def _answer(message: wire.Message) -> Message:
    return Message(**vars(message))


@router.get("")
async def list_all(
    thread_id: str, cursor: Annotated[MessageCursor, Query()], store: TheStore
) -> ListPage[Message]:
    store.get(wire.Thread, thread_id)
    return ListPage[Message].of(store.page(Message, thread_id, **cursor.model_dump()))


@router.get("/{message_id}")
async def retrieve(thread_id: str, message_id: str, store: TheStore) -> Message:
    return store.get(Message, message_id, thread_id)


@router.post("/{message_id}")
async def modify(thread_id: str, message_id: str, body: WithMetadata, store: TheStore) -> Message:
    with store.change(wire.Message, message_id, thread_id) as message:
        message.metadata = body.given().get("metadata", message.metadata) or {}
    return _answer(message)


@router.delete("/{message_id}")
async def delete(thread_id: str, message_id: str, store: TheStore) -> MessageDeleted:
    store.delete(Message, message_id, thread_id)
    return MessageDeleted(id=message_id, deleted=True, object="thread.message.deleted")
