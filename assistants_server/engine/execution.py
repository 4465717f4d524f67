"""One run from queued to its end."""

import asyncio
import logging
import time

from openai import AsyncOpenAI
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.message import IncompleteDetails as MessageIncomplete
from openai.types.beta.threads.run import IncompleteDetails, LastError, Usage
from openai.types.beta.threads.runs import RunStep
from openai.types.beta.threads.runs.run_step import LastError as StepError
from openai.types.beta.threads.runs.run_step import Usage as StepUsage

from assistants_server.engine.prompt import PromptTooLong, build_request
from assistants_server.engine.upstream import Turn, UpstreamError, stream_turn, text_block
from assistants_server.store import NotFound, Store, new_id

log = logging.getLogger(__name__)

STOPPED = "The server was stopped while it worked on this run. Create the run again."
NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
WHY_INCOMPLETE = {
    "incomplete": "max_tokens",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
    "failed": "run_failed",
}


class Execution:
    """Takes a queued run to one of its ends, writing each change to the store as it happens."""

    def __init__(self, store: Store, client: AsyncOpenAI, run_id: str) -> None:
        self.store = store
        self.client = client
        self.run_id = run_id
        self.step_id: str | None = None
        self.message_id: str | None = None
        self.text = ""
        self.stopping = False

    async def run(self) -> None:
        """Execute the run. Never raises: whatever happens becomes the run's status."""
        try:
            run = self._begin()
            async with asyncio.timeout(run.expires_at - time.time()):
                await self._turn(run)
        except asyncio.CancelledError:
            if self.stopping:
                self._finish("failed", error=LastError(code="server_error", message=STOPPED))
            else:
                self._finish("cancelled")
        except TimeoutError:
            self._finish("expired")
        except PromptTooLong:
            self._finish("incomplete", reason="max_prompt_tokens")
        except UpstreamError as error:
            self._finish("failed", error=LastError(code=error.code, message=str(error)))
        except NotFound:
            log.info("%s was deleted while it ran", self.run_id)
        except Exception:
            log.exception("%s failed", self.run_id)
            message = "The server had an error; its log says more."
            self._finish("failed", error=LastError(code="server_error", message=message))

    def never_began(self) -> None:
        """Write the end of a run that was stopped before its task got a turn."""
        self._finish("cancelled")

    def _begin(self) -> Run:
        with self.store.change(Run, self.run_id) as run:
            if run.status == "cancelling":
                raise asyncio.CancelledError
            run.status = "in_progress"
            run.started_at = int(time.time())
        return run

    async def _turn(self, run: Run) -> None:
        async for piece in stream_turn(self.client, build_request(self.store, run)):
            if isinstance(piece, str):
                if self.message_id is None:
                    self._open_message(run)
                self.text += piece
                continue
            if not piece.blocks:
                raise UpstreamError("The model answered with nothing at all.")
            if self.message_id is None:
                self._open_message(run)
            if piece.cut_short:
                self._finish("incomplete", piece, reason="max_completion_tokens")
            else:
                self._finish("completed", piece)

    def _open_message(self, run: Run) -> None:
        now = int(time.time())
        common = {"created_at": now, "status": "in_progress", "metadata": {}}
        common |= {"assistant_id": run.assistant_id, "thread_id": run.thread_id, "run_id": run.id}
        message = Message.model_validate(
            {
                "id": new_id("msg_"),
                "object": "thread.message",
                "role": "assistant",
                "content": [],
                "attachments": [],
                **common,
            }
        )
        step = RunStep.model_validate(
            {
                "id": new_id("step_"),
                "object": "thread.run.step",
                "type": "message_creation",
                "step_details": {
                    "type": "message_creation",
                    "message_creation": {"message_id": message.id},
                },
                **common,
            }
        )
        with self.store.transaction():
            self.store.insert(message, parent=run.thread_id)
            self.store.insert(step, parent=run.id)
        self.message_id, self.step_id = message.id, step.id

    def _finish(
        self,
        status: str,
        turn: Turn | None = None,
        *,
        error: LastError | None = None,
        reason: str | None = None,
    ) -> None:
        """Write the end of the run, its step and its message in one transaction."""
        try:
            with self.store.transaction():
                self._close_message(status, turn)
                self._close_step(status, turn, error)
                finish_run(
                    self.store,
                    self.run_id,
                    status,
                    usage=turn.usage if turn else None,
                    error=error,
                    reason=reason,
                )
        except NotFound:
            log.info("%s was deleted while it ran", self.run_id)

    def _close_message(self, status: str, turn: Turn | None) -> None:
        if self.message_id is None:
            return
        now = int(time.time())
        with self.store.change(Message, self.message_id) as message:
            message.content = turn.blocks if turn else [text_block(self.text)]
            if status == "completed":
                message.status, message.completed_at = "completed", now
            else:
                message.status, message.incomplete_at = "incomplete", now
                message.incomplete_details = MessageIncomplete(reason=WHY_INCOMPLETE[status])

    def _close_step(self, status: str, turn: Turn | None, error: LastError | None) -> None:
        if self.step_id is None:
            return
        with self.store.change(RunStep, self.step_id) as step:
            # A step knows no "incomplete": what was cut short did complete its message.
            step.status = "completed" if status == "incomplete" else status
            setattr(step, f"{step.status}_at", int(time.time()))
            step.usage = turn and StepUsage(**turn.usage)
            step.last_error = error and StepError(code="server_error", message=error.message)


def finish_run(
    store: Store,
    run_id: str,
    status: str,
    *,
    usage: dict[str, int] | None = None,
    error: LastError | None = None,
    reason: str | None = None,
) -> None:
    """Write a run's end into the store.

    Raises:
        NotFound: the run has been deleted.
    """
    with store.change(Run, run_id) as run:
        run.status = status
        run.usage = Usage(**(usage or NO_USAGE))
        run.last_error = error
        run.incomplete_details = reason and IncompleteDetails(reason=reason)
        if status in ("completed", "failed", "cancelled"):
            setattr(run, f"{status}_at", int(time.time()))
        store.release(run_id)
