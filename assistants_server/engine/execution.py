"""One run, one loop: ask the model, carry out what it calls, ask again, until it has answered."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from openai.types.beta.threads.run import RequiredAction

from assistants_server import request_ids
from assistants_server.clock import now
from assistants_server.engine.draft import Draft
from assistants_server.engine.failures import UpstreamError
from assistants_server.engine.feed import Feed
from assistants_server.engine.history import PromptTooLong
from assistants_server.engine.items import ImageTooLarge
from assistants_server.engine.prompt import build_prompt
from assistants_server.engine.records import Records
from assistants_server.engine.states import End, Ended, end_run, failed
from assistants_server.engine.turn import Turn
from assistants_server.engine.upstream import ModelServer
from assistants_server.interpreter_shutdown import log_failure, program_ends
from assistants_server.store import Busy, NotFound, Store, StoreError, Unwritable
from assistants_server.tools import Call, Context, Toolbox, ToolError
from assistants_server.wire import Assistant, Run, Thread

log = logging.getLogger(__name__)

MOST_TURNS = 64
STOPPED = "The server was stopped while it worked on this run. Create the run again."
SECONDS_BETWEEN_TRIES = 0.25
SECONDS_TO_STOP = 1.0


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
        context: Callable[..., Context],
        run_id: str,
    ) -> None:
        self.store = store
        self.feed = feed
        self.model = model
        self.context = context
        self.run_id = run_id
        self.draft: Draft | None = None
        self.ended: Ended | None = None
        self.stopping = False
        self.task = asyncio.create_task(self._run(), name=run_id)
        self._began = False
        self._ending = False

    def interrupt(self) -> None:
        """Break off, as ``cancelled``, or as ``failed`` if the server is `stopping`.

        Before it has begun, and while its end is being written, there is nothing to break off.
        """
        if self._began and not self._ending:
            self.task.cancel()

    async def _run(self) -> None:
        """Execute the run. Never raises: whatever happens becomes the run's status."""
        end = await self._execute()
        self._ending = True
        if end is not None:
            await self._finish(end)

    async def _execute(self) -> End | None:
        """Return how the run ends, or None if it waits for its client."""
        self._began = True
        try:
            expires_at = self.store.get(Run, self.run_id).expires_at or 0
            async with asyncio.timeout(expires_at - time.time()):
                return await self._loop(await self._begin())
        except asyncio.CancelledError:
            return failed(STOPPED) if self.stopping else End("cancelled")
        except TimeoutError:
            return End("expired")
        except PromptTooLong:
            return End("incomplete", reason="max_prompt_tokens")
        except UpstreamError as error:
            return failed(str(error), error.code)
        except NotFound as error:
            return failed(
                f"{error} It was deleted, but this run needs it. Take it out of the assistant and "
                "the thread, or put another in its place; then create the run again."
            )
        except (StoreError, ToolError, ImageTooLarge) as error:
            return failed(str(error))
        except Exception as error:
            log_failure(log, "failed", run=self.run_id, request=request_ids.current.get())
            ends = program_ends(error)
            return failed(STOPPED if ends else "The server had an error; its log says more.")

    async def _begin(self) -> Run:
        if self.stopping:
            raise asyncio.CancelledError
        async with self.store.writing():
            with self.store.change(Run, self.run_id) as run:
                if run.status != "queued":  # cancelled, or ended, before it had begun
                    raise asyncio.CancelledError
                run.status = "in_progress"
                run.started_at = run.started_at or now()
        self.feed.publish(run.id, "thread.run.in_progress", run)
        return run

    async def _loop(self, run: Run) -> End | None:
        resources = partial(_resources, self.store, run)
        toolbox = Toolbox(self.context(run.thread_id, resources), run.tools)
        self.records = Records(self.store, run, self.feed, toolbox)
        for _ in range(MOST_TURNS):
            turn = await self._turn(run, toolbox)
            if turn.is_last:
                return _end(turn)
            if waiting := await self._call_tools(turn.calls, toolbox):
                await self._require_action(waiting)
                return None
        raise UpstreamError(f"The model called tools {MOST_TURNS} times without an answer.")

    async def _turn(self, run: Run, toolbox: Toolbox) -> Turn:
        """Let the model speak once; its message, if it writes one, is closed at the end.

        Its last turn ends the run, in the same transaction.
        """
        self.draft = Draft(self.records, toolbox)
        async for piece in self.model.turn(await build_prompt(self.store, run, toolbox)):
            if isinstance(piece, Turn):
                turn = piece
            elif self.draft.writes(piece):
                async with self.store.writing():
                    self.draft.add(piece)
            else:
                self.draft.add(piece)
        if not (turn.blocks or turn.calls or turn.cut_short):
            raise UpstreamError("The model answered with nothing at all.")
        async with self.store.writing():
            self.draft.finish(turn)
            self.records.keep(turn)
            ended = end_run(self.store, self.run_id, _end(turn)) if turn.is_last else None
        self.ended = ended
        return turn

    async def _call_tools(self, calls: list[Call], toolbox: Toolbox) -> list[Call]:
        """Carry out what can be done here; return the calls that the client must carry out."""
        waiting = []
        for index, call in enumerate(calls):
            await self.store.writable()  # the tools write too
            record = await toolbox.find(call.name).carry_out(call)
            if record is None:
                waiting.append(call)
                continue
            async with self.store.writing():
                self.records.change_call(index, record)
        if not waiting:
            async with self.store.writing():
                self.records.close_calls()
        return waiting

    async def _require_action(self, waiting: list[Call]) -> None:
        calls = [
            {"id": call.id, "type": "function"}
            | {"function": {"name": call.name, "arguments": call.arguments}}
            for call in waiting
        ]
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        async with self.store.writing():
            with self.store.change(Run, self.run_id) as run:
                if run.status != "in_progress":
                    raise asyncio.CancelledError
                run.status = "requires_action"
                run.required_action = RequiredAction.model_validate(action)
                self.store.release(run)
        self.feed.publish(run.id, "thread.run.requires_action", run)

    async def _finish(self, end: End) -> None:
        """Write the end of the run, and of its open step and message, as soon as that is possible."""
        fields = {"run": self.run_id, "status": end.status, "error": end.error and end.error.code}
        fields["request"] = request_ids.current.get()
        written = self.draft.break_off() if self.draft else []
        waiting = False
        while True:
            try:
                if (ended := self.ended) is None:
                    async with self.store.writing(SECONDS_TO_STOP):
                        ended = end_run(self.store, self.run_id, end, written)
                self.feed.publish_end(ended)
                log.info("run", extra={"fields": fields})
                return
            except (Busy, Unwritable) as error:
                if not waiting:
                    log.warning("not written", extra={"fields": {**fields, "reason": str(error)}})
                waiting = True
                if self.stopping:  # the next server will
                    return
            except NotFound:
                log.info("deleted while it ran", extra={"fields": fields})
                self.feed.close(self.run_id, f"Run {self.run_id} was deleted while it ran.")
                return
            except StoreError as error:  # the watchdog will try
                log.error("not written", extra={"fields": {**fields, "reason": str(error)}})
                self.feed.close(self.run_id, str(error))
                return
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)


def _end(turn: Turn) -> End:
    """Return how the run ends with its last turn."""
    if turn.cut_short:
        untold = None if turn.blocks or turn.calls else turn.usage
        return End("incomplete", reason=turn.cut_short, usage=untold)
    return End("completed")


def _resources(store: Store, run: Run, tool: str, name: str) -> list[str]:
    """Return the ids in a list of a tool's resources: its assistant's, then its thread's."""
    ids: dict[str, None] = {}
    owners: list[tuple[type[Assistant | Thread], str]]
    owners = [(Assistant, run.assistant_id), (Thread, run.thread_id)]
    for kind, id in owners:
        with suppress(NotFound):  # it was deleted while the run went on
            of_tool = getattr(store.get(kind, id).tool_resources, tool, None)
            ids |= dict.fromkeys(getattr(of_tool, name, None) or ())
    return list(ids)
