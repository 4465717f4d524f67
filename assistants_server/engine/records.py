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
from openai.types.beta.threads.runs.run_step import LastError, Usage
from pydantic import TypeAdapter

from assistants_server.clock import now, now_ms
from assistants_server.engine.states import leave_incomplete
from assistants_server.engine.turn import text_block
from assistants_server.store import Reasoning, Store, new_id

SANDBOX_PATH = re.compile(r"(?:sandbox:)?/mnt/data/([\w.,+@-]*\w)")
_tool_call = TypeAdapter(ToolCall)


class Records:
    """The messages and steps of one run. At most one step is open at a time."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._message_id: str | None = None
        self._step_id: str | None = None

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
                _annotate(blocks, written or {})
                if status == "completed":
                    message.status, message.completed_at = "completed", now()
                else:
                    leave_incomplete(message, status)
            # A step knows no "incomplete": what was cut short did complete its message.
            self.close_step("completed" if status == "incomplete" else status, usage)
        self._message_id = None

    def open_calls(self, calls: list[dict[str, Any]], reasoning: list[dict[str, Any]]) -> None:
        """Begin a step of tool calls, given as the wire writes them.

        Args:
            reasoning: what the model thought on the way to them; kept with the step, for its eyes
                only.
        """
        self._open_step({"type": "tool_calls", "tool_calls": calls})
        if reasoning:
            behind = Reasoning(id=Reasoning.id_behind(self._step_id), items=reasoning)
            self._store.insert(behind, parent=self._step_id)

    def change_call(self, call: dict[str, Any]) -> None:
        """Write a call of the open step again, with what has become of it."""
        with self._store.change(RunStep, self._step_id) as step:
            calls = step.step_details.tool_calls
            place = next(index for index, each in enumerate(calls) if each.id == call["id"])
            calls[place] = _tool_call.validate_python(call)

    def close_step(
        self, status: str, usage: dict[str, int] | None = None, error: str | None = None
    ) -> None:
        """End the open step, if there is one."""
        if self._step_id is None:
            return
        with self._store.change(RunStep, self._step_id) as step:
            step.status = status
            setattr(step, f"{status}_at", now())
            step.metadata["ended_at_ms"] = now_ms()
            step.usage = Usage(**usage) if usage else step.usage
            step.last_error = error and LastError(code="server_error", message=error)
        self._step_id = None

    def note_usage(self, usage: dict[str, int]) -> None:
        """Write the usage of a step that stays open."""
        with self._store.change(RunStep, self._step_id) as step:
            step.usage = Usage(**usage)

    def close_all(self, status: str, text: str, error: str | None) -> None:
        """End whatever is open, because the run ends as `status`; `text` is what was written."""
        if self._message_id is not None:
            self.close_message([text_block(text)], status)
        self.close_step("completed" if status == "incomplete" else status, error=error)

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


def _annotate(blocks: list[MessageContent], written: Mapping[str, str]) -> None:
    for block in blocks:
        if block.type != "text":
            continue
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
