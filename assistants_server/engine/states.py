"""The states of a run, and the one way to end it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from openai.types.beta.threads import Message, MessageContent, Run
from openai.types.beta.threads.message import IncompleteDetails as MessageIncomplete
from openai.types.beta.threads.run import IncompleteDetails, LastError, Usage
from openai.types.beta.threads.runs import RunStep
from openai.types.beta.threads.runs.run_step import LastError as StepError

from assistants_server.clock import now, now_ms
from assistants_server.engine.feed import Feed
from assistants_server.engine.search import without_contents
from assistants_server.engine.turn import sound
from assistants_server.store import NotFound, Store, StoreError, Unreadable

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
SECONDS_TO_EXPIRE = 600
WHY_INCOMPLETE = {
    "incomplete": "max_tokens",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
    "failed": "run_failed",
}


def active_run(store: Store, thread_id: str) -> Run | None:
    """Return the run that is active on a thread, if any.

    A thread has at most one, and only its newest run can be it.
    """
    newest = store.page(Run, thread_id, limit=1).items
    run = expire_if_due(store, newest[0]) if newest else None
    return run if run and run.status in ACTIVE else None


def expire_if_due(store: Store, run: Run) -> Run:
    """Return the run, ended as ``expired`` if it has waited for its client too long.

    So that nobody sees it wait who looks before the watchdog does.
    """
    if run.status != "requires_action" or time.time() < run.expires_at:
        return run
    with suppress(StoreError):  # the watchdog will end it
        return end_run(store, run.id, End("expired")).run
    return run


@dataclass(frozen=True)
class End:
    """How a run ends.

    Attributes:
        status: one of those that are not `ACTIVE`.
        error: what went wrong, if it has failed.
        reason: what was cut short, if it is incomplete.
    """

    status: str
    error: LastError | None = None
    reason: str | None = None


def failed(message: str, code: str = "server_error") -> End:
    """Return the end of a run that has failed."""
    return End("failed", LastError(code=code, message=sound(message)))


@dataclass(frozen=True)
class Ended:
    """A run at its end, with the messages and the steps that ended with it."""

    run: Run
    messages: list[Message]
    steps: list[RunStep]

    def tell(self, feed: Feed) -> None:
        """Tell those who stream the run."""
        for message in self.messages:
            feed.tell(self.run.id, f"thread.message.{message.status}", message)
        for step in self.steps:
            feed.tell(self.run.id, f"thread.run.step.{step.status}", without_contents(step))
        feed.tell(self.run.id, f"thread.run.{self.run.status}", self.run)


def end_run(store: Store, run_id: str, end: End, written: Sequence[MessageContent] = ()) -> Ended:
    """Write a run's end, and that of the steps and messages it left open, in one transaction.

    A run that has ended already stays as it is. Its usage is the sum of its steps'.

    Args:
        written: what the open message says so far.

    Raises:
        NotFound: the run has been deleted.
        Unreadable: what is stored of the run makes no sense.
    """
    messages, steps, used = [], [], []
    with store.transaction():
        run = store.get(Run, run_id)
        for step in store.all(RunStep, run_id):
            if step.status == "in_progress":
                if step.type == "message_creation":
                    message_id = step.step_details.message_creation.message_id
                    with suppress(NotFound, Unreadable):  # it was deleted meanwhile
                        with store.change(Message, message_id) as message:
                            message.content = list(written) or message.content
                            leave_incomplete(message, end.status)
                        messages.append(message)
                # A step knows no "incomplete": what was cut short did complete its message.
                status = "completed" if end.status == "incomplete" else end.status
                end_step(step, status, end.error and end.error.message)
                store.update(step)
                steps.append(step)
            if step.usage:
                used.append(step.usage)
        if run.status in ACTIVE:
            run.status = end.status
            run.usage = Usage(
                prompt_tokens=sum(usage.prompt_tokens for usage in used),
                completion_tokens=sum(usage.completion_tokens for usage in used),
                total_tokens=sum(usage.total_tokens for usage in used),
            )
            run.required_action = None
            run.last_error = end.error
            run.incomplete_details = end.reason and IncompleteDetails(reason=end.reason)
            if end.status in ("completed", "failed", "cancelled"):
                setattr(run, f"{end.status}_at", now())
            store.update(run)
        store.done(run_id)
    return Ended(run, messages, steps)


def end_step(step: RunStep, status: str, error: str | None = None) -> None:
    """Mark a step as ended, and when."""
    step.status = status
    setattr(step, f"{status}_at", now())
    step.metadata["ended_at_ms"] = now_ms()
    step.last_error = error and StepError(code="server_error", message=error)


def leave_incomplete(message: Message, status: str) -> None:
    """Mark a message as cut off, because its run ends as `status`."""
    message.status, message.incomplete_at = "incomplete", now()
    message.incomplete_details = MessageIncomplete(reason=WHY_INCOMPLETE[status])
