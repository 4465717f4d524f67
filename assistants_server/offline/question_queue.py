"""A queue of questions for one tutor."""

import asyncio
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress

from assistants_server.offline.tutor_process import Ended, NotStarted, TooSlow, TutorProcess
from assistants_server.tutor import Conversation, Reply, pipe
from assistants_server.tutor.phrasing import decline
from assistants_server.tutor.refusals import TOO_HARD


class Busy(Exception):
    """Too many questions wait already."""


class Closed(Exception):
    """The queue has been closed, perhaps while a question waited."""


class QuestionQueue:
    """Asks one tutor, one question after the other, in a thread of its own.

    A question may take `most_calls` function calls and so many seconds; `most_waiting` may wait. The
    tutor is started ahead, or else for the first question.
    """

    def __init__(
        self, name: str, most_calls: int, seconds: float, most_waiting: int, ahead: bool
    ) -> None:
        self.tutor = TutorProcess()
        self._most_calls = most_calls
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._ahead = ahead
        self._waiting: queue.SimpleQueue[tuple[Conversation, Future] | None] = queue.SimpleQueue()
        self._closed = False
        # A daemon, so that a program can end while the tutor computes.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def ask(self, conversation: Conversation) -> Reply | None:
        """Return the reply, or None if it takes more calls or more time than it may here.

        Raises `Busy`, `Closed`, or `NotStarted` if the tutor's process cannot be started.
        """
        if self._closed:
            raise Closed
        if self._waiting.qsize() >= self._most_waiting:
            raise Busy
        answered: Future[Reply | None] = Future()
        self._waiting.put((conversation, answered))
        return await asyncio.wrap_future(answered)

    def close(self) -> None:
        """End the tutor. Questions that wait get `Closed`."""
        self._closed = True
        self._waiting.put(None)
        self.tutor.close()
        self._thread.join()

    def _work(self) -> None:
        if self._ahead:
            with suppress(Exception):  # the first question tries again, and reports it
                self.tutor.start()
        while waiting := self._waiting.get():
            conversation, answered = waiting
            if not answered.set_running_or_notify_cancel():
                continue
            try:
                answered.set_result(self._answer(conversation))
            except Exception as error:
                answered.set_exception(error)
        self.tutor.end()

    def _answer(self, conversation: Conversation) -> Reply | None:
        question = pipe.Question(conversation, self._most_calls)
        for _ in ("first", "again"):
            if self._closed:
                raise Closed
            try:
                return self.tutor.ask(question, self._seconds).reply
            except TooSlow:
                return None
            except RecursionError:
                break
            except NotStarted:
                if not self._closed:
                    raise
            except Ended:
                pass  # somebody killed it, or the question made Python crash
        if self._closed:
            raise Closed
        return decline(conversation, TOO_HARD)
