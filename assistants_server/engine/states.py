"""The states of a run, and its end."""

import time

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.message import IncompleteDetails as MessageIncomplete
from openai.types.beta.threads.run import IncompleteDetails, LastError, Usage
from openai.types.beta.threads.runs import RunStep
from openai.types.beta.threads.runs.run_step import LastError as StepError

from assistants_server.clock import now, now_ms
from assistants_server.store import Store

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

    Nobody executes a run that waits, so whoever looks at it next notices.
    """
    if run.status != "requires_action" or time.time() < run.expires_at:
        return run
    end_idle(store, run.id, "expired")
    return store.get(Run, run.id)


def end_idle(store: Store, run_id: str, status: str, error: LastError | None = None) -> None:
    """End a run that nobody executes, with the step and the message that it left open."""
    with store.transaction():
        for step in store.all(RunStep, run_id):
            if step.status != "in_progress":
                continue
            end_step(step, status, error and error.message)
            store.update(step)
            if step.type == "message_creation":
                with store.change(Message, step.step_details.message_creation.message_id) as left:
                    leave_incomplete(left, status)
        finish_run(store, run_id, status, error=error)


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


def finish_run(
    store: Store,
    run_id: str,
    status: str,
    *,
    error: LastError | None = None,
    reason: str | None = None,
) -> Run:
    """Write a run's end into the store, and return the run. Its usage is the sum of its steps'.

    Raises:
        NotFound: the run has been deleted.
    """
    with store.change(Run, run_id) as run:
        used = [step.usage for step in store.all(RunStep, run_id) if step.usage]
        run.status = status
        run.usage = Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in used),
            completion_tokens=sum(usage.completion_tokens for usage in used),
            total_tokens=sum(usage.total_tokens for usage in used),
        )
        run.required_action = None
        run.last_error = error
        run.incomplete_details = reason and IncompleteDetails(reason=reason)
        if status in ("completed", "failed", "cancelled"):
            setattr(run, f"{status}_at", now())
        store.release(run_id)
    return run
