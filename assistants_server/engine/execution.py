"""One run, one loop: ask the model, carry out what it calls, ask again, until it has answered."""

import asyncio
import logging
import time

from openai.types.beta.threads import RequiredActionFunctionToolCall, Run
from openai.types.beta.threads.run import LastError, RequiredAction

from assistants_server.clock import now
from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.engine import search, tools
from assistants_server.engine.draft import Draft
from assistants_server.engine.feed import Feed
from assistants_server.engine.prompt import PromptTooLong, build_request
from assistants_server.engine.records import Records
from assistants_server.engine.states import finish_run
from assistants_server.engine.turn import Call, Turn, UpstreamError
from assistants_server.engine.upstream import ModelServer
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store

log = logging.getLogger(__name__)

MOST_TURNS = 64
STOPPED = "The server was stopped while it worked on this run. Create the run again."


class Execution:
    """Takes a queued run to one of its ends, or to where it waits for its client.

    Every change is written to the store as it happens, so that another execution, of this process
    or of another, can take up a run that has waited.
    """

    def __init__(
        self,
        store: Store,
        feed: Feed,
        model: ModelServer,
        interpreter: CodeInterpreter,
        library: Library,
        run_id: str,
    ) -> None:
        self.store = store
        self.feed = feed
        self.model = model
        self.interpreter = interpreter
        self.library = library
        self.run_id = run_id
        self.records: Records | None = None
        self.draft: Draft | None = None
        self.stopping = False

    async def run(self) -> None:
        """Execute the run. Never raises: whatever happens becomes the run's status."""
        try:
            run = self._begin()
            async with asyncio.timeout(run.expires_at - time.time()):
                await self._loop(run)
        except asyncio.CancelledError:
            if self.stopping:
                self._finish("failed", error=LastError(code="server_error", message=STOPPED))
            else:
                self._finish("cancelled")
        except TimeoutError:
            self._finish("expired")
        except search.Expired as error:
            self._finish("failed", error=LastError(code="server_error", message=str(error)))
        except PromptTooLong:
            self._finish("incomplete", reason="max_prompt_tokens")
        except UpstreamError as error:
            self._finish("failed", error=LastError(code=error.code, message=str(error)))
        except NotFound:
            log.info("deleted while it ran", extra={"fields": {"run": self.run_id}})
        except Exception:
            log.exception("failed", extra={"fields": {"run": self.run_id}})
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
            run.started_at = run.started_at or now()
        self.records = Records(self.store, run, self.feed)
        self.feed.tell(run.id, "thread.run.in_progress", run)
        return run

    async def _loop(self, run: Run) -> None:
        for _ in range(MOST_TURNS):
            turn = await self._turn(run)
            if not turn.calls:
                self._finish(*_end(turn))
                return
            waiting = await self._call_tools(run, turn)
            if waiting:
                self._require_action(waiting)
                return
        raise UpstreamError(f"The model called tools {MOST_TURNS} times without an answer.")

    async def _turn(self, run: Run) -> Turn:
        """Let the model speak once; its message, if it writes one, is closed at the end."""
        written = self.interpreter.written(run.thread_id)
        self.draft = Draft(self.records, run, written)
        async for piece in self.model.turn(build_request(self.store, run)):
            if isinstance(piece, Turn):
                turn = piece
            else:
                self.draft.add(piece)
        if not turn.blocks and not turn.calls:
            raise UpstreamError("The model answered with nothing at all.")
        with self.store.transaction():
            self.draft.finish(turn)
        return turn

    async def _call_tools(self, run: Run, turn: Turn) -> list[Call]:
        """Carry out what can be done here; return the calls that the client must carry out."""
        waiting = []
        for call in turn.calls:
            if tools.is_code(call, run):
                recorded = await tools.run_code(self.interpreter, self.store, run, call)
                self.records.change_call(recorded)
            elif tools.is_search(call, run):
                recorded = await search.run_search(self.library, self.store, run, call)
                self.records.change_call(recorded)
            elif tools.is_for_the_client(call, run):
                waiting.append(call)
            else:
                recorded = tools.as_recorded(call, run)
                recorded["function"]["output"] = tools.unknown(call, run)
                self.records.change_call(recorded)
        if not waiting:
            self.records.close_step("completed")
        return waiting

    def _require_action(self, waiting: list[Call]) -> None:
        calls = [
            RequiredActionFunctionToolCall(
                id=call.id,
                type="function",
                function={"name": call.name, "arguments": call.arguments},
            )
            for call in waiting
        ]
        with self.store.change(Run, self.run_id) as run:
            if run.status == "cancelling":
                raise asyncio.CancelledError
            run.status = "requires_action"
            run.required_action = RequiredAction(
                type="submit_tool_outputs", submit_tool_outputs={"tool_calls": calls}
            )
            self.store.release(self.run_id)
        self.feed.tell(run.id, "thread.run.requires_action", run)

    def _finish(
        self, status: str, reason: str | None = None, *, error: LastError | None = None
    ) -> None:
        """Write the end of the run, and of its open step and message, in one transaction."""
        try:
            with self.store.transaction():
                if self.records is not None:
                    text = self.draft.text if self.draft else ""
                    self.records.close_all(status, text, error and error.message)
                run = finish_run(self.store, self.run_id, status, error=error, reason=reason)
            self.feed.tell(self.run_id, f"thread.run.{status}", run)
            fields = {"run": self.run_id, "status": status, "error": error and error.code}
            log.info("run", extra={"fields": fields})
        except NotFound:
            log.info("deleted while it ran", extra={"fields": {"run": self.run_id}})


def _end(turn: Turn) -> tuple[str, str | None]:
    return ("incomplete", "max_completion_tokens") if turn.cut_short else ("completed", None)
