"""Asks the tutor without blocking the event loop."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assistants_server.offline.question_queue import Busy, Closed, QuestionQueue
from assistants_server.offline.tutor_process import NotStarted
from assistants_server.tutor import Conversation, Reply
from assistants_server.tutor import process_limits as limits
from assistants_server.tutor.phrasing import decline
from assistants_server.tutor.refusals import TOO_HARD
from assistants_server.web.errors import ApiError


class Tutors:
    """Two tutors: every question goes to the quick one, and the hard ones on to the patient one.

    So a hard question delays the easy ones of others by a fraction of a second only.
    """

    def __init__(self) -> None:
        self.quick = QuestionQueue(
            "tutor", limits.QUICK_CALLS, limits.QUICK_SECONDS, limits.QUICK_WAITING, ahead=True
        )
        self.patient = QuestionQueue(
            "patient tutor", limits.CALLS, limits.SECONDS, limits.WAITING, ahead=False
        )

    async def ask(self, conversation: Conversation) -> Reply:
        """Return the reply."""
        reply = await self.quick.ask(conversation) or await self.patient.ask(conversation)
        return reply or decline(conversation, TOO_HARD)

    def close(self) -> None:
        """End both processes."""
        self.quick.close()
        self.patient.close()


_lock = threading.Lock()
_servers = 0
_tutors: Tutors | None = None


@asynccontextmanager
async def tutors() -> AsyncIterator[None]:
    """Run the tutors, shared by all servers of this program, until the last server stops."""
    global _servers, _tutors
    with _lock:
        _servers += 1
        _tutors = _tutors or Tutors()
    try:
        yield
    finally:
        with _lock:
            _servers -= 1
            ended, _tutors = (None, _tutors) if _servers else (_tutors, None)
        if ended:
            ended.close()


async def ask(conversation: Conversation) -> Reply:
    """Return the tutor's reply.

    Raises:
        ApiError: 429, too many questions wait; 503, the tutor does not start, or the server is
            stopping.
    """
    try:
        if _tutors is None:
            raise Closed
        return await _tutors.ask(conversation)
    except Busy:
        raise ApiError(
            429,
            "Too many questions wait for the offline tutor. Ask again in a minute.",
            type="requests",
            code="rate_limit_exceeded",
        ) from None
    except NotStarted:
        raise ApiError(
            503,
            "The offline tutor's process does not start. Is SymPy installed? "
            "Run `python -m pip install --require-hashes -r requirements.lock`.",
        ) from None
    except (Closed, RuntimeError):
        raise ApiError(503, "The server is stopping.") from None
