"""``/assistants``: create, list, retrieve, modify, delete."""

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter
from openai.types.beta import AssistantDeleted
from pydantic import Field

from assistants_server.api import fields, tool_resources
from assistants_server.api.context import SECONDS_TO_WAIT, TheLibrary, TheStore
from assistants_server.api.lists import ListPage, Paging
from assistants_server.clock import now
from assistants_server.store import new_id
from assistants_server.web.fields import Temperature, TopP
from assistants_server.web.strict_route import StrictRoute
from assistants_server.wire import Assistant

router = APIRouter(prefix="/v1/assistants", route_class=StrictRoute)


class ModifyAssistant(fields.Modification):
    model: Annotated[str, Field(min_length=1)] = "unset"
    name: fields.Name | None = None
    description: fields.Description | None = None
    instructions: fields.Instructions | None = None
    tools: fields.Tools = []
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: fields.ResponseFormat | None = None
    reasoning_effort: fields.Effort | None = None


class CreateAssistant(ModifyAssistant):
    model: Annotated[str, Field(min_length=1)]


@router.post("")
async def create(body: CreateAssistant, store: TheStore, library: TheLibrary) -> Assistant:
    async with AsyncExitStack() as undo:
        await tool_resources.settle(library, store, body.tool_resources, undo)
        fields = {"id": new_id("asst_"), "object": "assistant", "created_at": now()}
        assistant = Assistant.model_validate({**fields, **body.given()})
        async with store.writing(SECONDS_TO_WAIT):
            store.insert(assistant)
        undo.pop_all()
    return assistant


@router.get("")
async def list_all(cursor: Paging, store: TheStore) -> ListPage[Assistant]:
    page = store.page(Assistant, **cursor.model_dump())
    tool_resources.drop_deleted(store, *page.items)
    return ListPage[Assistant].of(page)


@router.get("/{assistant_id}")
async def retrieve(assistant_id: str, store: TheStore) -> Assistant:
    return tool_resources.get(store, Assistant, assistant_id)


@router.post("/{assistant_id}")
async def modify(
    assistant_id: str, body: ModifyAssistant, store: TheStore, library: TheLibrary
) -> Assistant:
    return await tool_resources.modify(library, store, Assistant, assistant_id, body)


@router.delete("/{assistant_id}")
async def delete(assistant_id: str, store: TheStore) -> AssistantDeleted:
    store.delete(Assistant, assistant_id)
    return AssistantDeleted(id=assistant_id, deleted=True, object="assistant.deleted")
