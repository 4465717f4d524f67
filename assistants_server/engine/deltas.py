"""The pieces of messages and calls, as the Assistants API streams them."""

import json
import re
from typing import Any

from openai.types.beta.threads import MessageDeltaEvent
from openai.types.beta.threads.runs import RunStepDeltaEvent

from assistants_server.engine.feed import Delta

MESSAGE, STEP = "thread.message.delta", "thread.run.step.delta"
# The text of the field `code`, as far as it has come, without an escape that is cut in two.
CODE = re.compile(r'\s*\{\s*"code"\s*:\s*"((?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*)')


def of_message(message_id: str, block: dict[str, Any]) -> MessageDeltaEvent:
    """Return an event that adds to a block of a message, given with its index."""
    return MessageDeltaEvent.model_validate(
        {
            "id": message_id,
            "object": "thread.message.delta",
            "delta": {"role": "assistant", "content": [block]},
        }
    )


def text(message_id: str, index: int, value: str, refusal: bool) -> Delta:
    """Return a piece of what a message says, or of its refusal."""

    def build(value: str) -> MessageDeltaEvent:
        if refusal:
            return of_message(message_id, {"index": index, "type": "refusal", "refusal": value})
        return of_message(message_id, {"index": index, "type": "text", "text": {"value": value}})

    return Delta(MESSAGE, (message_id, index), value, build)


def of_call(step_id: str, call: dict[str, Any]) -> RunStepDeltaEvent:
    """Return an event that adds to a call of a step, given with its index."""
    details = {"type": "tool_calls", "tool_calls": [call]}
    return RunStepDeltaEvent.model_validate(
        {"id": step_id, "object": "thread.run.step.delta", "delta": {"step_details": details}}
    )


def arguments(step_id: str, index: int, kind: str, value: str) -> Delta:
    """Return a piece of a function's arguments, or of a program."""

    def build(value: str) -> RunStepDeltaEvent:
        field = "input" if kind == "code_interpreter" else "arguments"
        return of_call(step_id, {"index": index, "type": kind, kind: {field: value}})

    return Delta(STEP, (step_id, index), value, build)


def code_so_far(arguments: str) -> str:
    """Return the program in arguments that may not have come to their end.

    >>> code_so_far('{"code": "print(1)\\\\npri')
    'print(1)\\npri'
    """
    found = CODE.match(arguments)
    if found is None:
        return ""
    try:
        code = json.loads(f'"{found[1]}"', strict=False)
    except ValueError:
        return ""
    half = code and "\ud800" <= code[-1] <= "\udbff"  # of a pair: not a character yet
    return code[:-1] if half else code
