"""``/threads/{thread_id}/runs/{run_id}/steps``: list, retrieve."""

from typing import Annotated

from fastapi import APIRouter, Query

from assistants_server.api.context import TheStore
from assistants_server.api.lists import Cursor, ListPage
from assistants_server.api.runs import RunQuery
from assistants_server.web.strict_route import StrictRoute
from assistants_server.wire import Run, RunStep

router = APIRouter(prefix="/v1/threads/{thread_id}/runs/{run_id}/steps", route_class=StrictRoute)


class StepCursor(Cursor, RunQuery):
    """The query parameters of a list of steps."""


@router.get("")
async def list_all(
    thread_id: str, run_id: str, cursor: Annotated[StepCursor, Query()], store: TheStore
) -> ListPage[RunStep]:
    store.get(Run, run_id, thread_id)
    page = store.page(RunStep, run_id, **cursor.model_dump(exclude={"include"}))
    if not cursor.include:
        page.items[:] = [step.public for step in page.items]
    return ListPage[RunStep].of(page)


@router.get("/{step_id}")
async def retrieve(
    thread_id: str, run_id: str, step_id: str, query: Annotated[RunQuery, Query()], store: TheStore
) -> RunStep:
    store.get(Run, run_id, thread_id)
    step = store.get(RunStep, step_id, run_id)
    return step if query.include else step.public
