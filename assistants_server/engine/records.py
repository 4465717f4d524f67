"""Writes what a run does into the store: its messages and its steps, as they happen."""

from typing import Any

from openai.types.beta.threads import MessageContent
from openai.types.beta.threads.runs import ToolCall

from assistants_server.clock import now, now_ms
from assistants_server.engine import deltas
from assistants_server.engine.feed import Feed
from assistants_server.engine.states import end_step, leave_incomplete
from assistants_server.engine.turn import Block, CutShort, Turn
from assistants_server.store import ModelItems, Store, new_id
from assistants_server.tools import KINDS, Annotator, Places, Shown, Tool, Toolbox, annotations
from assistants_server.wire import Message, Run, RunStep, Usage


class Records:
    """The messages and steps of one run. At most one message, and one step of calls, is open.

    Attributes:
        message_is_open: whether a message is being written.
        front: what calls have put in front of the newest message.
    """

    def __init__(self, store: Store, run: Run, feed: Feed, toolbox: Toolbox) -> None:
        self.message_is_open = False
        self.front: list[MessageContent] = []
        self._store = store
        self._run = run
        self._feed = feed
        self._toolbox = toolbox
        self._message = self._message_step = self._calls_step = ""
        self._places: list[Places] = []
        self._annotators: dict[int, Annotator] = {}  # by the index of the block
        self._of_turn: list[str] = []  # the messages of the turn that is being written

    def open_message(self) -> None:
        """Begin a message of the assistant, and the step that creates it."""
        fields = {"object": "thread.message", "role": "assistant", "content": [], "attachments": []}
        message = Message.model_validate({"id": new_id("msg_"), **fields, **self._common()})
        creation = {"type": "message_creation", "message_creation": {"message_id": message.id}}
        with self._store.transaction():
            self._store.insert(message, parent=self._run.thread_id)
            self._message_step = self._open_step(creation)
        self._feed.publish(self._run.id, "thread.message.created", message)
        self._feed.publish(self._run.id, "thread.message.in_progress", message)
        calls = self._calls()
        self.front = self._not_shown_yet(calls)
        self._places, self._annotators = self._toolbox.places(calls), {}
        for index, block in enumerate(self.front):
            piece = {"index": index, **block.model_dump(exclude_none=True)}
            self._feed.publish(self._run.id, deltas.MESSAGE, deltas.of_message(message.id, piece))
        self._message, self.message_is_open = message.id, True
        self._of_turn.append(message.id)

    def add_text(self, block: Block, text: str) -> None:
        """Publish a piece of the open message. It is written when the message is closed.

        What may become an annotated place waits until it is one, or the block ends.
        """
        index = len(self.front) + block.number
        if block.refusal:
            self._feed.publish_piece(self._run.id, deltas.refusal(self._message, index, text))
            return
        if index not in self._annotators:
            self._show_what_waits()
            self._annotators[index] = Annotator(self._places)
        self._show(index, self._annotators[index].read(text))

    def content(self, blocks: list[MessageContent]) -> list[MessageContent]:
        """Return the content of the open message, whose text will not grow, with annotations.

        Args:
            blocks: what it says; what calls put in front of a message is added.
        """
        self._show_what_waits()
        for block in blocks:
            if block.type == "text":
                block.text.annotations = annotations(self._places, block.text.value)
        return self.front + blocks

    def close_message(
        self,
        blocks: list[MessageContent],
        cut_short: CutShort | None = None,
        usage: Usage | None = None,
    ) -> None:
        """End the open message and its step.

        Args:
            blocks: what it says.
            cut_short: what ended it before it was whole.
        """
        content = self.content(blocks)
        with self._store.transaction():
            with self._store.change(Message, self._message) as message:
                message.content = content
                if cut_short:
                    leave_incomplete(message, "incomplete", cut_short)
                else:
                    message.status, message.completed_at = "completed", now()
            self._feed.publish(self._run.id, f"thread.message.{message.status}", message)
            # A step knows no "incomplete": what was cut short did complete its message.
            self._close_step(self._message_step, usage)
        self.message_is_open = False

    def open_calls(self) -> None:
        """Begin a step of tool calls. Which they are is written when the model has spoken."""
        self._calls_step = self._open_step({"type": "tool_calls", "tool_calls": []})

    def publish_call(
        self, tool: type[Tool], index: int, details: dict[str, Any], id: str | None = None
    ) -> None:
        """Publish details of a call of the open step."""
        delta = deltas.of_call(self._calls_step, tool.delta(index, details, id))
        self._feed.publish(self._run.id, deltas.STEP, delta)

    def add_to_call(self, tool: type[Tool], index: int, text: str) -> None:
        """Publish what a stream shows of a piece of a call's arguments."""
        delta = deltas.arguments(self._calls_step, index, tool, text)
        self._feed.publish_piece(self._run.id, delta)

    def write_calls(self, calls: list[ToolCall], usage: Usage) -> None:
        """Write the calls of the open step, and its usage."""
        with self._store.change(RunStep, self._calls_step) as step:
            step.calls[:] = calls
            step.usage = usage

    def keep(self, turn: Turn) -> None:
        """Keep what the model wrote in the turn that has just been written, for later prompts."""
        if turn.items:
            kept = ModelItems(
                id=new_id("items_"),
                items=turn.items,
                model=self._run.model,
                step_id=self._calls_step if turn.calls else "",
                messages=self._of_turn,
            )
            self._store.insert(kept, parent=self._run.id)
        self._of_turn = []

    def change_call(self, index: int, call: ToolCall) -> None:
        """Write a call of the open step again, with its outcome."""
        with self._store.change(RunStep, self._calls_step) as step:
            step.calls[index] = call
        tool = KINDS[call.type]
        self.publish_call(tool, index, tool.outcome(call))

    def close_calls(self) -> None:
        """End the open step of calls."""
        self._close_step(self._calls_step)

    def _show(self, index: int, pieces: list[Shown]) -> None:
        for piece in pieces:
            self._feed.publish_piece(self._run.id, deltas.text(self._message, index, piece))

    def _show_what_waits(self) -> None:
        for index, annotator in self._annotators.items():
            self._show(index, annotator.read("", last=True))

    def _open_step(self, details: dict[str, Any]) -> str:
        step = RunStep.model_validate(
            {
                "id": new_id("step_"),
                "object": "thread.run.step",
                "type": details["type"],
                "step_details": details,
                **self._common(),
                "expires_at": self._run.expires_at,
                # The type has whole seconds only, and few steps take that long.
                "metadata": {"created_at_ms": now_ms()},
            }
        )
        self._store.insert(step, parent=self._run.id)
        self._feed.publish(self._run.id, "thread.run.step.created", step)
        self._feed.publish(self._run.id, "thread.run.step.in_progress", step)
        return step.id

    def _close_step(self, step_id: str, usage: Usage | None = None) -> None:
        with self._store.change(RunStep, step_id) as step:
            end_step(step, "completed")
            step.usage = usage or step.usage
        self._feed.publish(self._run.id, "thread.run.step.completed", step)

    def _common(self) -> dict[str, Any]:
        run = self._run
        ids = {"assistant_id": run.assistant_id, "thread_id": run.thread_id, "run_id": run.id}
        return {"created_at": now(), "status": "in_progress", "metadata": {}, **ids}

    def _calls(self) -> list[ToolCall]:
        steps = self._store.all(RunStep, self._run.id)
        return [call for step in steps for call in step.calls]

    def _not_shown_yet(self, calls: list[ToolCall]) -> list[MessageContent]:
        """Return what these calls put in front of a message, and no message shows yet."""
        made = [block for call in calls for block in KINDS[call.type].content(call)]
        if not made:
            return []
        messages = self._store.page(
            Message, self._run.thread_id, limit=100, run_id=self._run.id
        ).items
        shown = [block for message in messages for block in message.content]
        return [block for block in made if block not in shown]
