"""Writes what a run does into the store: its messages and its steps, as they happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai.types.beta.threads import Message, MessageContent
from openai.types.beta.threads.runs import ToolCall, ToolCallDelta
from openai.types.beta.threads.runs.run_step import Usage
from pydantic import BaseModel

from assistants_server.clock import now, now_ms
from assistants_server.engine import deltas
from assistants_server.engine.feed import Feed
from assistants_server.engine.states import end_step, leave_incomplete
from assistants_server.engine.steps import calls_of, public, with_calls
from assistants_server.engine.turn import Block
from assistants_server.store import ModelItems, Store, new_id
from assistants_server.tools import Tool, Toolbox, kind
from assistants_server.wire import Run, RunStep


@dataclass(frozen=True)
class _OpenMessage:
    """A message that is being written. `first` is the index of its first block of text."""

    id: str
    step_id: str
    first: int


class Records:
    """The messages and steps of one run. At most one message, and one step of calls, is open."""

    def __init__(self, store: Store, run: Run, feed: Feed, toolbox: Toolbox) -> None:
        self._store = store
        self._run = run
        self._feed = feed
        self._toolbox = toolbox
        self._message: _OpenMessage | None = None
        self._calls: str | None = None

    @property
    def message_is_open(self) -> bool:
        return self._message is not None

    def open_message(self) -> None:
        """Begin a message of the assistant, and the step that creates it."""
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
            self._store.insert(message, parent=self._run.thread_id)
            step_id = self._open_step(creation)
        self._publish("thread.message.created", message)
        self._publish("thread.message.in_progress", message)
        front = self._front()
        for index, block in enumerate(front):
            piece = {"index": index, **block.model_dump(exclude_none=True)}
            self._publish(deltas.MESSAGE, deltas.of_message(message.id, piece))
        self._message = _OpenMessage(message.id, step_id, len(front))

    def add_text(self, block: Block, text: str) -> None:
        """Publish a piece of the open message. It is written when the message is closed."""
        assert self._message
        index = self._message.first + block.number
        delta = deltas.text(self._message.id, index, text, block.refusal)
        self._feed.publish_piece(self._run.id, delta)

    def close_message(
        self,
        blocks: list[MessageContent],
        cut_short: bool = False,
        usage: Usage | None = None,
    ) -> None:
        """End the open message and its step.

        Args:
            blocks: its content; what calls put in front of a message is added.
            cut_short: whether a limit ended it.
        """
        assert self._message
        with self._store.transaction():
            with self._store.change(Message, self._message.id) as message:
                message.content = self._front() + blocks
                self._annotate(blocks)
                if cut_short:
                    leave_incomplete(message, "incomplete")
                else:
                    message.status, message.completed_at = "completed", now()
            self._publish(f"thread.message.{message.status}", message)
            # A step knows no "incomplete": what was cut short did complete its message.
            self._close_step(self._message.step_id, usage)
        self._message = None

    def open_calls(self) -> None:
        """Begin a step of tool calls. Which they are is written when the model has spoken."""
        self._calls = self._open_step({"type": "tool_calls", "tool_calls": []})

    def publish_call(self, delta: ToolCallDelta) -> None:
        """Publish a piece of a call of the open step."""
        assert self._calls
        self._publish(deltas.STEP, deltas.of_call(self._calls, delta))

    def add_to_call(self, tool: Tool[Any, Any], index: int, text: str) -> None:
        """Publish what a stream shows of a piece of a call's arguments."""
        assert self._calls
        piece = deltas.partial(self._calls, index, tool, text)
        self._feed.publish_piece(self._run.id, piece)

    def write_calls(self, calls: list[ToolCall], items: list[dict[str, Any]], usage: Usage) -> None:
        """Write the calls of the open step, and its usage.

        Args:
            items: the model's reasoning and its calls as it wrote them, for its eyes only.
        """
        assert self._calls
        with self._store.change(RunStep, self._calls) as step:
            step.step_details = with_calls(calls)
            step.usage = usage
        behind = ModelItems(id=ModelItems.id_behind(self._calls), items=items)
        self._store.insert(behind, parent=self._calls)

    def change_call(self, index: int, call: ToolCall) -> None:
        """Write a call of the open step again, with its outcome."""
        assert self._calls
        with self._store.change(RunStep, self._calls) as step:
            calls = calls_of(step)
            calls[index] = call
            step.step_details = with_calls(calls)
        tool = kind(call.type)
        self.publish_call(tool.delta(index, tool.outcome(call)))

    def close_calls(self) -> None:
        """End the open step of calls."""
        assert self._calls
        self._close_step(self._calls)
        self._calls = None

    def unfinished(self, blocks: Sequence[MessageContent]) -> list[MessageContent]:
        """Return the content of a message that is cut off."""
        return [*self._front(), *blocks]

    def _open_step(self, details: dict[str, Any]) -> str:
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
        self._publish("thread.run.step.created", step)
        self._publish("thread.run.step.in_progress", step)
        return step.id

    def _close_step(self, step_id: str, usage: Usage | None = None) -> None:
        with self._store.change(RunStep, step_id) as step:
            end_step(step, "completed")
            step.usage = usage or step.usage
        self._publish("thread.run.step.completed", public(step))

    def _publish(self, event: str, data: BaseModel) -> None:
        self._feed.publish(self._run.id, event, data)

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

    def _all_calls(self) -> list[ToolCall]:
        return calls_of(*self._store.all(RunStep, self._run.id))

    def _front(self) -> list[MessageContent]:
        """Return what the run's calls put in front of a message, and no message shows yet."""
        made = [block for call in self._all_calls() for block in kind(call.type).content(call)]
        if not made:
            return []
        messages = self._store.page(
            Message, self._run.thread_id, limit=100, run_id=self._run.id
        ).items
        shown = [block for message in messages for block in message.content]
        return [block for block in made if block not in shown]

    def _annotate(self, blocks: list[MessageContent]) -> None:
        calls = self._all_calls()
        for block in blocks:
            if block.type == "text":
                block.text.annotations += self._toolbox.annotations(block.text.value, calls)
