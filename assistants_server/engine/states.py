"""The states of a run, and the one way to end it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from openai.types.beta.threads import MessageContent, RunStatus
from openai.types.beta.threads.message import IncompleteDetails as MessageIncomplete
from openai.types.beta.threads.run import LastError
from openai.types.beta.threads.runs.run_step import LastError as StepError

from assistants_server.clock import now, now_ms
from assistants_server.engine.failures import ErrorCode
from assistants_server.engine.turn import CutShort
from assistants_server.store import NotFound, Store, StoreError, Unreadable
from assistants_server.tools import sound
from assistants_server.wire import IncompleteDetails, Message, Run, RunStep, Usage

EndStatus = Literal["completed", "failed", "cancelled", "expired", "incomplete"]
ENDED: tuple[RunStatus, ...] = get_args(EndStatus)
ACTIVE = tuple(status for status in get_args(RunStatus) if status not in ENDED)
SECONDS_TO_EXPIRE = 600


def active_run(store: Store, thread_id: str) -> Run | None:
    """Return the run that is active on a thread, if any.

    A thread has at most one, and only its newest run can be it.
    """
    newest = store.page(Run, thread_id, limit=1).items
    run = expire_if_due(store, newest[0]) if newest else None
    return run if run and run.status in ACTIVE else None


def expire_if_due(store: Store, run: Run) -> Run:
    """Return the run, ended as ``expired`` if it has waited for its client too long.

    The watchdog looks only now and then; this keeps a reader from seeing an expired run as waiting.
    """
    if run.status != "requires_action" or time.time() < (run.expires_at or 0):
        return run
    with suppress(StoreError):  # the watchdog will end it
        return end_run(store, run.id, End("expired")).run
    return run


@dataclass(frozen=True)
class End:
    """How a run ends.

    Attributes:
        error: what went wrong, if it has failed.
        reason: what cut it short, if it is incomplete.
        usage: of a last turn that no step tells about.
    """

    status: EndStatus
    error: LastError | None = None
    reason: CutShort | Literal["max_prompt_tokens"] | None = None
    usage: Usage | None = None


def failed(message: str, code: ErrorCode = "server_error") -> End:
    """Return the end of a run that has failed."""
    return End("failed", LastError(code=code, message=sound(message)))


@dataclass(frozen=True)
class Ended:
    """A run at its end, with the messages and the steps that ended with it."""

    run: Run
    parts: list[Message | RunStep]


def end_run(store: Store, run_id: str, end: End, written: Sequence[MessageContent] = ()) -> Ended:
    """Write a run's end, and that of the steps and messages it left open, in one transaction.

    A run that has ended already stays as it is. Its usage is the sum of its steps', and of a
    last turn that no step tells about.

    Args:
        written: what the open message says so far.

    Raises:
        NotFound: the run has been deleted.
        Unreadable: what is stored of the run makes no sense.
    """
    parts: list[Message | RunStep] = []
    with store.transaction():
        run, steps = store.get(Run, run_id), store.all(RunStep, run_id)
        for step in steps:
            if step.status != "in_progress":
                continue
            if message_id := step.message_id:
                with suppress(NotFound, Unreadable):  # it was deleted meanwhile
                    with store.change(Message, message_id) as message:
                        message.content = list(written) or message.content
                        leave_incomplete(message, end.status, end.reason)
                    parts.append(message)
            end_step(step, end.status, end.error.message if end.error else None)
            store.update(step)
            parts.append(step)
        if run.status in ACTIVE:
            run.status = end.status
            used = [usage for usage in (end.usage, *(step.usage for step in steps)) if usage]
            run.usage = Usage.total(used)
            run.required_action = run.expires_at = None
            run.last_error = end.error
            run.incomplete_details = IncompleteDetails(reason=end.reason) if end.reason else None
            if end.status in ("completed", "failed", "cancelled"):
                setattr(run, f"{end.status}_at", now())
            store.update(run)
        store.done(run_id)
    return Ended(run, parts)


def end_step(step: RunStep, status: EndStatus, error: str | None = None) -> None:
    """Mark a step as ended, and when, because its run ends as `status`, or goes on."""
    if status == "incomplete":
        # A step knows no "incomplete": what was cut short did complete its message, but no call.
        status = "completed" if step.type == "message_creation" else "cancelled"
    step.status = status
    setattr(step, f"{step.status}_at", now())
    step.metadata = {**(step.metadata or {}), "ended_at_ms": now_ms()}
    step.last_error = StepError(code="server_error", message=error) if error else None


def leave_incomplete(message: Message, status: EndStatus, cut_by: str | None = None) -> None:
    """Mark a message as cut off, because its run ends as `status`, cut short by that."""
    if status == "incomplete":
        reason = "content_filter" if cut_by == "content_filter" else "max_tokens"
    else:
        reason = f"run_{status}"
    message.status, message.incomplete_at = "incomplete", now()
    message.incomplete_details = MessageIncomplete.model_validate({"reason": reason})
