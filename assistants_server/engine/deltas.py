"""The pieces of messages and calls, as the Assistants API streams them."""

from typing import Any

from openai.types.beta.threads import MessageDeltaEvent
from openai.types.beta.threads.runs import ToolCallDelta

from assistants_server.engine.feed import Delta
from assistants_server.tools import Shown, Tool
from assistants_server.wire import RunStepDeltaEvent

MESSAGE, STEP = "thread.message.delta", "thread.run.step.delta"


def of_message(message_id: str, block: dict[str, Any]) -> MessageDeltaEvent:
    """Return an event that adds to a block of a message, given with its index."""
    delta = {"content": [block]}
    return MessageDeltaEvent.model_validate({"id": message_id, "object": MESSAGE, "delta": delta})


def of_call(step_id: str, call: ToolCallDelta) -> RunStepDeltaEvent:
    """Return an event that adds to a call of a step."""
    delta = {"step_details": {"type": "tool_calls", "tool_calls": [call]}}
    return RunStepDeltaEvent.model_validate({"id": step_id, "object": STEP, "delta": delta})


def text(message_id: str, index: int, piece: Shown) -> Delta:
    """Return a piece of what a message says."""

    def build(value: str) -> MessageDeltaEvent:
        said = {"value": value, "annotations": piece.annotations}
        return of_message(message_id, {"index": index, "type": "text", "text": said})

    # What has annotations is not joined with anything.
    joined_with = "text" if piece.annotations is None else object()
    return Delta(MESSAGE, (message_id, index, joined_with), piece.text, build)


def refusal(message_id: str, index: int, value: str) -> Delta:
    """Return a piece of a refusal."""

    def build(value: str) -> MessageDeltaEvent:
        return of_message(message_id, {"index": index, "type": "refusal", "refusal": value})

    return Delta(MESSAGE, (message_id, index), value, build)


def arguments(step_id: str, index: int, tool: type[Tool], value: str) -> Delta:
    """Return a piece of what a stream shows of a call's arguments."""

    def build(value: str) -> RunStepDeltaEvent:
        return of_call(step_id, tool.delta(index, {str(tool.streams): value}))

    return Delta(STEP, (step_id, index), value, build)
