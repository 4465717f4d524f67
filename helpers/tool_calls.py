"""Answer whatever a run asks for, from a mapping of names to functions."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from openai import OpenAI
from openai.types.beta.threads import RequiredActionFunctionToolCall, Run
from openai.types.beta.threads.run_submit_tool_outputs_params import ToolOutput

from helpers.conversation import wait_on_run
from helpers.tracing import runs


def answer_tool_calls(
    client: OpenAI, run: Run, functions: Mapping[str, Callable[..., object]], **waiting: Any
) -> Run:
    """Carry out the calls that a run waits for, until it needs no more; return the run.

    Args:
        functions: by the names that the assistant knows them by. What one returns is sent as JSON,
            a text as it is. If one fails, or is not there, the model is told so and the run goes
            on.
        waiting: passed on to `wait_on_run`.

    Raises:
        RunNotCompleted, TimeoutError: as `wait_on_run` does.
    """
    run = wait_on_run(client, run, **waiting)
    while run.status == "requires_action" and run.required_action:
        with runs.within(run):  # a traced function's span belongs to the run
            outputs: list[ToolOutput] = [
                {"tool_call_id": call.id, "output": call_function(call, functions)}
                for call in run.required_action.submit_tool_outputs.tool_calls
            ]
        run = client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=run.thread_id, tool_outputs=outputs
        )
        run = wait_on_run(client, run, **waiting)
    return run


def call_function(
    call: RequiredActionFunctionToolCall, functions: Mapping[str, Callable[..., object]]
) -> str:
    """Return the output of one call as text; an error becomes a text that says so."""
    function = functions.get(call.function.name)
    if function is None:
        return f"Error: there is no function {call.function.name}."
    try:
        result = function(**json.loads(call.function.arguments))
    except Exception as error:
        return f"Error: {type(error).__name__}: {error}"
    return result if isinstance(result, str) else json.dumps(result, default=str)
