"""Send a message, wait for the run, read the answer."""

import sys
import time

from openai import OpenAI
from openai.pagination import SyncCursorPage
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

WORKING = ("queued", "in_progress", "cancelling")
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.005, 0.5, 1.5  # seconds, seconds, factor
SECONDS_BEFORE_PROGRESS = 0.3


class RunNotCompleted(Exception):
    """The run ended, but not with an answer. `run` is the run as it ended."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(f"Run {run.id} ended as {run.status}{_reason(run)}.")


def submit_message(client: OpenAI, assistant_id: str, thread: Thread, user_message: str) -> Run:
    """Add a user's message to a thread, and create a run that answers it.

    Returns at once, with a run that is ``queued``.
    """
    client.beta.threads.messages.create(thread.id, role="user", content=user_message)
    return client.beta.threads.runs.create(thread.id, assistant_id=assistant_id)


def create_thread_and_run(client: OpenAI, assistant_id: str, user_input: str) -> tuple[Thread, Run]:
    """Start a conversation: return a new thread that holds a user's message, and its run."""
    thread = client.beta.threads.create()
    return thread, submit_message(client, assistant_id, thread, user_input)


def wait_on_run(
    client: OpenAI, run: Run, timeout: float = 600.0, progress: bool | None = None
) -> Run:
    """Wait until a run is ``completed``, or until it ``requires_action`` of yours, and return it.

    Asks after 5 milliseconds, then ever more rarely, at last every half second.

    Args:
        timeout: seconds to wait at most. The run itself goes on.
        progress: whether to print status and time, in one line; by default only in a notebook.

    Raises:
        RunNotCompleted: it ended as failed, cancelled, expired or incomplete; the message says
            why.
        TimeoutError: it was still working.
    """
    show = _in_notebook() if progress is None else progress
    started, pause = time.monotonic(), FIRST_PAUSE
    while run.status in WORKING:
        waited = time.monotonic() - started
        if waited > timeout:
            raise TimeoutError(f"Run {run.id} was still {run.status} after {waited:.0f} s.")
        if show and waited > SECONDS_BEFORE_PROGRESS:
            print(f"Run {run.status} for {waited:.1f} s ...", end="\r", flush=True)
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    if show:
        print(f"Run {run.status} after {time.monotonic() - started:.2f} s.".ljust(40).rstrip())
    if run.status not in ("completed", "requires_action"):
        raise RunNotCompleted(run)
    return run


def get_response(client: OpenAI, thread: Thread) -> SyncCursorPage[Message]:
    """Return the messages of a thread, oldest first, in pages of 20; iterate to get them all."""
    return client.beta.threads.messages.list(thread.id, order="asc")


def _reason(run: Run) -> str:
    if run.last_error:
        return f": {run.last_error.message.rstrip('.')} ({run.last_error.code})"
    if run.incomplete_details and run.incomplete_details.reason:
        return f", because of {run.incomplete_details.reason}"
    return ""


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
