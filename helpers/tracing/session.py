"""Traces: started and ended by hand, so that they hold all cells of a notebook."""

import os
import sqlite3
import sys
import time
from collections.abc import Sequence

from opentelemetry import context
from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode

from helpers.tracing import runs, startup, switches
from helpers.tracing.prints import Prints
from helpers.tracing.spans import Span
from helpers.tracing.totals import Totals

SECONDS_TO_DELIVER = 0.5

_default_tags: list[str] = []
_latest: "Trace | None" = None  # what show_trace shows
_across_cells: "Trace | None" = None  # what start_trace has started and is open


class Trace:
    """A trace: everything that happens between its start and its end, or inside ``with``.

    The tags given to `connect` are added in front of its own. Its `id` has 32 hexadecimal digits, or
    none if tracing is off. Raises `ValueError` if one of the switches is neither true nor false.
    """

    def __init__(self, name: str, tags: Sequence[str] = ()) -> None:
        global _latest
        self._processor = startup.start()
        self.name, self.tags = name, [*_default_tags, *tags]
        self.id = ""
        self.is_open = True
        self._began = time.perf_counter()
        _latest = self
        if self._processor is None:
            return
        import agentops

        # In an empty context, since a trace that begins inside another would be a part of it.
        self._outside = context.attach(context.Context())
        self._context = agentops.start_trace(name, tags=self.tags or None)
        if self._context is None:  # AgentOps would not; work goes on without a trace
            context.detach(self._outside)
            self._processor = None
            return
        self._span: otel.Span = self._context.span
        self.id = otel.format_trace_id(self._span.get_span_context().trace_id)
        self._prints = Prints() if switches.prints() else None
        _watch_cells()

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        self.end(error)

    @property
    def link(self) -> str | None:
        """The page of this trace on AgentOps' dashboard; None without a key."""
        if self._processor is None or self._processor.delivery is None:
            return None
        app = os.environ.get("AGENTOPS_APP_URL") or "https://app.agentops.ai"
        return f"{app}/sessions?trace_id={self.id}"

    def end(self, error: BaseException | None = None) -> None:
        """End it, and print one line that says what it was and where to find it."""
        global _across_cells
        if _across_cells is self:
            _across_cells = None
        was_open, self.is_open = self.is_open, False
        if not was_open or self._processor is None:
            return
        seconds = time.perf_counter() - self._began
        import agentops

        runs.end_open(self._span.get_span_context().trace_id)
        self._span.set_status(StatusCode.ERROR if error else StatusCode.OK)
        agentops.end_trace(self._context, "Error" if error else "Success")
        context.detach(self._outside)
        if otel.get_current_span() is self._span:  # it began in an async cell, in a context gone
            context.attach(context.Context())
        try:
            if self._prints is not None and (printed := self._prints.end()):
                self._processor.add_log(self.id, printed)
            said = f"{Totals(self.spans())}, {seconds:.2f} s. {self._where()}"
        except sqlite3.Error as trouble:
            said = f"its file cannot be used now: {trouble}."
        print(f"Trace {self.name}: {said}")

    def spans(self) -> list[Span]:
        """Return the spans that have ended, by their start. May raise `sqlite3.Error`."""
        if self._processor is None:
            return []
        self._processor.force_flush()
        return self._processor.storage.spans(self.id)

    def uploaded_prints(self) -> str:
        """Return what was printed and kept, and uploaded if there is a key."""
        return self._processor.storage.log(self.id) if self._processor else ""

    def _where(self) -> str:
        if self._processor is None or self._processor.delivery is None:
            return "Kept on this machine."
        if reason := self._processor.delivery.undelivered(SECONDS_TO_DELIVER):
            return (
                f"Traces are not arriving at AgentOps ({reason}); this one is kept on this machine."
            )
        return str(self.link)


trace = Trace  # for a block: with trace("quiz", tags=["ana"]): ...


def start_agentops(tags: Sequence[str] = ()) -> None:
    """Start AgentOps, unless it runs already or is switched off, with tags for all later traces."""
    _default_tags[:] = tags
    startup.start()


def start_trace(name: str, tags: Sequence[str] = ()) -> None:
    """Start a trace that goes on over the cells of a notebook, until `end_trace`.

    One that was started before in this way and is still open is ended first. Raises as `Trace`.
    """
    global _across_cells
    switches.check()
    if _across_cells is not None:
        _across_cells.end()
    _across_cells = Trace(name, tags)


def end_trace() -> None:
    """End the trace of `start_trace`, and print one line on it; raise `RuntimeError` without one."""
    if _across_cells is None:
        raise RuntimeError("There is no trace to end. Run the cell with start_trace first.")
    _across_cells.end()


def latest() -> Trace:
    """Return the trace that was started last; raise `RuntimeError` if there is none."""
    if _latest is None:
        raise RuntimeError("There is no trace yet. Start one with start_trace, or with trace.")
    return _latest


def _watch_cells() -> None:
    """In a notebook, see to it before each cell that its spans belong to the open trace."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell and _before_cell not in shell.events.callbacks["pre_run_cell"]:
        shell.events.register("pre_run_cell", _before_cell)


def _before_cell(_info: object = None) -> None:
    if otel.get_current_span().is_recording():
        return
    if _across_cells is not None and _across_cells.id:
        context.attach(otel.set_span_in_context(_across_cells._span))
    else:  # what an async cell has ended is still there in the context of the others
        context.attach(context.Context())
