"""``/threads/{thread_id}/runs/{run_id}/submit_tool_outputs``."""

from fastapi import APIRouter
from openai.types.beta.threads.runs import FunctionToolCall

from assistants_server.api.context import SECONDS_TO_WAIT, TheEngine, TheStore
from assistants_server.api.event_stream import EventStream
from assistants_server.engine.states import end_step, expire_if_due
from assistants_server.store import Store
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import Body
from assistants_server.web.strict_route import StrictRoute
from assistants_server.wire import Run, RunStep

router = APIRouter(prefix="/v1/threads/{thread_id}/runs/{run_id}", route_class=StrictRoute)


class ToolOutput(Body):
    tool_call_id: str
    output: str = ""


class SubmitToolOutputs(Body):
    tool_outputs: list[ToolOutput]
    stream: bool | None = None


@router.post("/submit_tool_outputs", response_model=Run)
async def submit(
    thread_id: str, run_id: str, body: SubmitToolOutputs, store: TheStore, engine: TheEngine
) -> Run | EventStream:
    async with store.writing(SECONDS_TO_WAIT):
        run = expire_if_due(store, store.get(Run, run_id, thread_id))
        if run.status != "requires_action" or run.required_action is None:
            raise ApiError(400, f"Runs in status '{run.status}' do not accept tool outputs.")
        wanted = [call.id for call in run.required_action.submit_tool_outputs.tool_calls]
        _check(wanted, [output.tool_call_id for output in body.tool_outputs])
        outputs = {output.tool_call_id: output.output for output in body.tool_outputs}
        filled = _fill(store, run, outputs)
        run.status, run.required_action = "queued", None
        store.update(run)
        store.claim(run)
    answer = EventStream(engine.feed, run.id) if body.stream else run
    for step in filled:
        engine.feed.publish(run.id, "thread.run.step.completed", step)
    engine.feed.publish(run.id, "thread.run.queued", run)
    engine.start(run.id)
    return answer


def _check(wanted: list[str], given: list[str]) -> None:
    """Refuse outputs that are not one for each call that waits.

    Raises:
        ApiError: 400, naming the ids.
    """
    if unknown := [id for id in given if id not in wanted]:
        problem = f"no call with the id {', '.join(unknown)} is waiting"
    elif missing := [id for id in wanted if id not in given]:
        problem = f"the output for {', '.join(missing)} is missing; submit all of them at once"
    elif len(given) != len(set(given)):
        problem = "a call has two outputs"
    else:
        return
    raise ApiError(
        400, f"Invalid 'tool_outputs': {problem}.", param="tool_outputs", code="invalid_value"
    )


def _fill(store: Store, run: Run, outputs: dict[str, str]) -> list[RunStep]:
    """Write the outputs into the steps that wait for them, and return these steps."""
    filled = []
    for step in store.all(RunStep, run.id):
        if step.status == "in_progress":
            for call in step.calls:
                if isinstance(call, FunctionToolCall) and call.id in outputs:
                    call.function.output = outputs[call.id]
            end_step(step, "completed")
            store.update(step)
            filled.append(step)
    return filled
