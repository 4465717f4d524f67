"""The states of a run that others need to know about."""

from openai.types.beta.threads import Run

from assistants_server.store import Store

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
SECONDS_TO_EXPIRE = 600


def active_run(store: Store, thread_id: str) -> Run | None:
    """Return the run that is active on a thread, if any.

    A thread has at most one, and only its newest run can be it.
    """
    newest = store.page(Run, thread_id, limit=1).items
    return newest[0] if newest and newest[0].status in ACTIVE else None
