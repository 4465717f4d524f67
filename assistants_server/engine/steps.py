"""What a run's steps hold: a message, or calls."""

from openai.types.beta.threads.runs import ToolCall

from assistants_server.tools import KINDS
from assistants_server.wire import RunStep, ToolCallsStepDetails


def message_of(step: RunStep) -> str | None:
    """Return the id of the message that a step creates, if it is such a step."""
    details = step.step_details
    return details.message_creation.message_id if details.type == "message_creation" else None


def calls_of(*steps: RunStep) -> list[ToolCall]:
    """Return the tool calls of steps, in order."""
    return [
        call
        for step in steps
        if step.step_details.type == "tool_calls"
        for call in step.step_details.tool_calls
    ]


def public(step: RunStep) -> RunStep:
    """Return a step without what its tools show only if a client asks for it."""
    if step.step_details.type != "tool_calls":
        return step
    calls = [KINDS[call.type].public(call) for call in calls_of(step)]
    return step.model_copy(update={"step_details": with_calls(calls)})


def with_calls(calls: list[ToolCall]) -> ToolCallsStepDetails:
    """Return the details of a step with these calls."""
    return ToolCallsStepDetails(type="tool_calls", tool_calls=calls)
