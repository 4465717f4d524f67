"""Writes what a run does into the store: its messages and its steps, as they happen."""

import re
from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads import (
    FilePathAnnotation,
    ImageFile,
    ImageFileContentBlock,
    Message,
    MessageContent,
    Run,
)
from openai.types.beta.threads.runs import RunStep, ToolCall
from openai.types.beta.threads.runs.run_step import Usage
from pydantic import BaseModel, TypeAdapter

from assistants_server.clock import now, now_ms
from assistants_server.engine import deltas, search
from assistants_server.engine.feed import Feed
from assistants_server.engine.states import end_step, leave_incomplete
from assistants_server.engine.turn import CallBegun, TextPiece, text_block
from assistants_server.store import Reasoning, Store, new_id

SANDBOX_PATH = re.compile(r"(?:sandbox:)?/mnt/data/([\w.,+@-]*\w)")
_tool_call = TypeAdapter(ToolCall)


class Records:
    """The messages and steps of one run. At most one step is open at a time."""

    def __init__(self, store: Store, run: Run, feed: Feed) -> None:
        self._store = store
        self._run = run
        self._feed = feed
        self._message_id: str | None = None
        self._step_id: str | None = None
        self._figures = 0

    @property
    def message_is_open(self) -> bool:
        return self._message_id is not None

    def open_message(self) -> None:
        """Begin a message of the assistant, and the step that creates it."""
        run = self._run
        message = Message.model_validate(
            {
                "id": new_id("msg_"),
                "object": "thread.message",
                "role": "assistant",
                "content": [],
                "attachments": [],
                **self._common(),
            }
        )
        creation = {"type": "message_creation", "message_creation": {"message_id": message.id}}
        with self._store.transaction():
            self._store.insert(message, parent=run.thread_id)
            self._open_step(creation)
        self._message_id = message.id
        self._tell("thread.message.created", message)
        self._tell("thread.message.in_progress", message)
        drawn = self._unshown_figures()
        for index, block in enumerate(drawn):
            piece = {"index": index, **block.model_dump(exclude_none=True)}
            self._tell(deltas.MESSAGE, deltas.of_message(message.id, piece))
        self._figures = len(drawn)

    def add_text(self, piece: TextPiece) -> None:
        """Tell of a piece of the open message. It is written when the message is closed."""
        index = self._figures + piece.block
        delta = deltas.text(self._message_id, index, piece.text, piece.refusal)
        self._feed.tell_piece(self._run.id, delta)

    def close_message(
        self,
        blocks: list[MessageContent],
        status: str,
        usage: dict[str, int] | None = None,
        written: Mapping[str, str] | None = None,
    ) -> None:
        """End the open message and its step.

        Args:
            blocks: its content; figures that no message shows yet are put in front.
            status: the step's new status, or ``incomplete``.
            written: ids of the files that code has written, by name; where the text mentions one,
                it gets a ``file_path`` annotation.
        """
        with self._store.transaction():
            with self._store.change(Message, self._message_id) as message:
                message.content = self._unshown_figures() + blocks
                _annotate(blocks, written or {}, self._store.all(RunStep, self._run.id))
                if status == "completed":
                    message.status, message.completed_at = "completed", now()
                else:
                    leave_incomplete(message, status)
            self._tell(f"thread.message.{message.status}", message)
            # A step knows no "incomplete": what was cut short did complete its message.
            self.close_step("completed" if status == "incomplete" else status, usage)
        self._message_id = None

    def add_message(self, blocks: list[MessageContent], written: Mapping[str, str]) -> None:
        """Write a whole message while a step of calls is open."""
        calls, self._step_id = self._step_id, None
        self.open_message()
        self.close_message(blocks, "completed", None, written)
        self._step_id = calls

    def open_calls(self) -> None:
        """Begin a step of tool calls. Which they are is written when the model has spoken."""
        self._open_step({"type": "tool_calls", "tool_calls": []})

    def begin_call(self, number: int, kind: str, call: CallBegun) -> None:
        """Tell that the model begins a call, of that kind, in the open step."""
        inside = {
            "code_interpreter": {"input": "", "outputs": []},
            "file_search": {},
            "function": {"name": call.name, "arguments": ""},
        }[kind]
        begun = {"index": number, "id": call.id, "type": kind, kind: inside}
        self._tell(deltas.STEP, deltas.of_call(self._step_id, begun))

    def add_to_call(self, number: int, kind: str, text: str) -> None:
        """Tell of a piece of a function's arguments, or of a program."""
        delta = deltas.arguments(self._step_id, number, kind, text)
        self._feed.tell_piece(self._run.id, delta)

    def write_calls(self, calls: list[dict[str, Any]], reasoning: list[dict[str, Any]]) -> None:
        """Write the calls of the open step, given as the wire writes them.

        Args:
            reasoning: what the model thought on the way to them; kept with the step, for its eyes
                only.
        """
        with self._store.change(RunStep, self._step_id) as step:
            step.step_details.tool_calls = [_tool_call.validate_python(call) for call in calls]
        if reasoning:
            behind = Reasoning(id=Reasoning.id_behind(self._step_id), items=reasoning)
            self._store.insert(behind, parent=self._step_id)

    def change_call(self, call: dict[str, Any]) -> None:
        """Write a call of the open step again, with what has become of it."""
        with self._store.change(RunStep, self._step_id) as step:
            calls = step.step_details.tool_calls
            place = next(index for index, each in enumerate(calls) if each.id == call["id"])
            calls[place] = _tool_call.validate_python(call)
        kind = call["type"]
        if kind == "code_interpreter":
            outputs = [{"index": n, **output} for n, output in enumerate(call[kind]["outputs"])]
            inside: dict[str, Any] = {"outputs": outputs}
        elif kind == "file_search":
            found = call[kind].get("results", [])
            kept = ("file_id", "file_name", "score")
            inside = {"results": [{key: each[key] for key in kept} for each in found]}
        else:
            inside = {"output": call[kind]["output"]}
        told = {"index": place, "type": kind, kind: inside}
        self._tell(deltas.STEP, deltas.of_call(self._step_id, told))

    def close_step(self, status: str, usage: dict[str, int] | None = None) -> None:
        """End the open step, if there is one."""
        if self._step_id is None:
            return
        with self._store.change(RunStep, self._step_id) as step:
            end_step(step, status)
            step.usage = Usage(**usage) if usage else step.usage
        self._tell(f"thread.run.step.{status}", search.without_contents(step))
        self._step_id = None

    def note_usage(self, usage: dict[str, int]) -> None:
        """Write the usage of a step that stays open."""
        with self._store.change(RunStep, self._step_id) as step:
            step.usage = Usage(**usage)

    def unfinished(self, text: str) -> list[MessageContent]:
        """Return the content of a message that is cut off after `text`."""
        return [*self._unshown_figures(), text_block(text)]

    def _open_step(self, details: dict[str, Any]) -> None:
        step = RunStep.model_validate(
            {
                "id": new_id("step_"),
                "object": "thread.run.step",
                "type": details["type"],
                "step_details": details,
                **self._common(),
                # The type has whole seconds only, and few steps take that long.
                "metadata": {"created_at_ms": now_ms()},
            }
        )
        self._store.insert(step, parent=self._run.id)
        self._step_id = step.id
        self._tell("thread.run.step.created", step)
        self._tell("thread.run.step.in_progress", step)

    def _tell(self, event: str, data: BaseModel) -> None:
        self._feed.tell(self._run.id, event, data)

    def _common(self) -> dict[str, Any]:
        run = self._run
        return {
            "created_at": now(),
            "status": "in_progress",
            "metadata": {},
            "assistant_id": run.assistant_id,
            "thread_id": run.thread_id,
            "run_id": run.id,
        }

    def _unshown_figures(self) -> list[MessageContent]:
        drawn = figures(self._store, self._run.id)
        if not drawn:
            return []
        shown = {
            block.image_file.file_id
            for message in self._store.page(
                Message, self._run.thread_id, limit=100, matching={"run_id": self._run.id}
            ).items
            for block in message.content
            if block.type == "image_file"
        }
        return [
            ImageFileContentBlock(type="image_file", image_file=ImageFile(file_id=file_id))
            for file_id in drawn
            if file_id not in shown
        ]


def figures(store: Store, run_id: str) -> list[str]:
    """Return the ids of the image files that a run's code has drawn, in order."""
    return [
        output.image.file_id
        for step in store.all(RunStep, run_id)
        if step.type == "tool_calls"
        for call in step.step_details.tool_calls
        if call.type == "code_interpreter"
        for output in call.code_interpreter.outputs
        if output.type == "image"
    ]


def _annotate(
    blocks: list[MessageContent], written: Mapping[str, str], steps: list[RunStep]
) -> None:
    for block in blocks:
        if block.type != "text":
            continue
        block.text.annotations += search.cite(block.text.value, steps)
        for match in SANDBOX_PATH.finditer(block.text.value):
            if match[1] in written:
                annotation = FilePathAnnotation(
                    type="file_path",
                    text=match[0],
                    start_index=match.start(),
                    end_index=match.end(),
                    file_path={"file_id": written[match[1]]},
                )
                block.text.annotations.append(annotation)
