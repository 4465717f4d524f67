"""The steps of a run as a timeline that people can look at."""

import json
from html import escape

from openai import OpenAI
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep, ToolCall

MARKS = {"completed": "✓", "in_progress": "…", "failed": "✗", "cancelled": "✗", "expired": "✗"}
BOX = "border-left: 3px solid #2563eb; margin: 0 0 0 6px; padding: 2px 0 10px 14px;"
CODE = (
    "font-family: monospace; margin: 4px 0; padding: 6px 8px; white-space: pre-wrap; border-radius: 4px; "
    "background: rgba(127, 127, 127, 0.12);"
)


class Timeline:
    """The steps of a run, oldest first. Shows itself in a notebook, and as text elsewhere."""

    def __init__(self, steps: list[RunStep]) -> None:
        self.entries = [_entry(number, step) for number, step in enumerate(steps, 1)]

    def __repr__(self) -> str:
        lines = []
        for head, parts in self.entries:
            lines.append(head)
            lines += [f"    {line}" for _, text in parts for line in text.splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        boxes = []
        for head, parts in self.entries:
            inner = "".join(
                f"<div style='opacity: 0.7'>{escape(label)}</div>"
                f"<pre style='{CODE}'>{escape(text)}</pre>"
                for label, text in parts
            )
            boxes.append(f"<div style='{BOX}'><b>{escape(head)}</b>{inner}</div>")
        return f"<div style='max-width: 720px'>{''.join(boxes)}</div>"


def show_steps(client: OpenAI, run: Run) -> Timeline:
    """Return the steps of a run as a timeline: what each did, with its code and outputs."""
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
    return Timeline(list(steps))


def _entry(number: int, step: RunStep) -> tuple[str, list[tuple[str, str]]]:
    facts: list[str] = [step.status]
    if step.completed_at:
        facts.append(_duration(step, step.completed_at))
    if step.usage:
        facts.append(f"{step.usage.total_tokens} tokens")
    head = f"{number}. {MARKS.get(step.status, '?')} {step.type} ({', '.join(facts)})"
    if step.step_details.type == "message_creation":
        return head, []
    return head, [part for call in step.step_details.tool_calls for part in _call(call)]


def _duration(step: RunStep, completed_at: int) -> str:
    precise = step.metadata or {}  # our server's milliseconds; the API has whole seconds only
    if "created_at_ms" in precise and "ended_at_ms" in precise:
        milliseconds = int(precise["ended_at_ms"]) - int(precise["created_at_ms"])
        return f"{milliseconds / 1000:.2f} s"
    return f"{completed_at - step.created_at} s"


def _call(call: ToolCall) -> list[tuple[str, str]]:
    if call.type == "code_interpreter":
        parts = [("code", call.code_interpreter.input)]
        for output in call.code_interpreter.outputs:
            if output.type == "logs":
                parts.append(("output", output.logs))
            else:
                parts.append(("figure", output.image.file_id))
        return parts
    if call.type == "function":
        made = "(no output yet)" if call.function.output is None else call.function.output
        return [(f"call of {call.function.name}", call.function.arguments), ("output", made)]
    # Another tool's call has its details under its type, for example {"type": "x", "x": {...}}.
    details = call.to_dict(warnings=False).get(call.type)
    return [(call.type, json.dumps(details) if details else "")]
