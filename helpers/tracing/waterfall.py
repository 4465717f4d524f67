"""A trace as a waterfall: one bar for each span, nested under its parent, and a table below."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, repeat
from typing import NamedTuple

from helpers.tracing.session import Trace, latest
from helpers.tracing.spans import Span
from helpers.tracing.totals import Totals, kind_of

COLOURS = {
    "session": "#6b7280",
    "run": "#2563eb",
    "completion": "#2563eb",
    "tool": "#7c3aed",
    "message": "#0d9488",
}
OTHER, RED = "#b45309", "#dc2626"
BAR = 32  # characters
ROW = (
    "display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); "
    "column-gap: 16px; padding: 3px 0; border-bottom: 1px solid rgba(127, 127, 127, 0.2)"
)
TRACK = (
    "position: relative; height: 14px; margin-top: 4px; min-width: 0; border-radius: 3px; "
    "background: rgba(127, 127, 127, 0.12)"
)
NUMBER = "white-space: nowrap; font-variant-numeric: tabular-nums"
CELL = f"padding: 2px 14px 2px 0; {NUMBER}; text-align: "
COLUMNS = ("kind", "calls", "time", "tokens", "cost")


class Row(NamedTuple):
    """One line of a waterfall."""

    span: Span
    depth: int
    start: int  # nanoseconds from the beginning of the trace
    left: float  # where its bar begins, as a part of the whole trace
    width: float

    @property
    def failed(self) -> bool:
        return self.span.status == "error"

    @property
    def mark(self) -> str:
        return "✗" if self.failed else "✓"

    @property
    def label(self) -> str:
        """Its name, without what its place says already."""
        return self.span.name.removeprefix("openai.run.").removeprefix("openai.")

    @property
    def facts(self) -> str:
        """For a run its status, for a model its name and tokens, for an error what it says."""
        said = self.span.attributes
        facts = []
        if kind_of(self.span) in ("run", "completion"):
            facts = [said.get("gen_ai.run.status"), said.get("gen_ai.response.model")]
            if tokens := said.get("gen_ai.usage.total_tokens"):
                facts.append(f"{tokens:,} tokens")
        if self.failed:
            facts.append(self.span.message or "error")
        return ", ".join(str(fact) for fact in facts if fact)

    @property
    def times(self) -> tuple[str, str]:
        """When it began, from the beginning of the trace, and how long it took."""
        return f"+{self.start / 1e9:.3f} s", f"{(self.span.end - self.span.start) / 1e9:.3f} s"

    @property
    def colour(self) -> str:
        return RED if self.failed else COLOURS.get(kind_of(self.span), OTHER)


class Waterfall:
    """The spans of a trace, parents first. Shows itself in a notebook, and as text elsewhere."""

    def __init__(self, name: str, spans: list[Span]) -> None:
        self.name = name
        self.totals = Totals(spans)
        self._begin = min((span.start for span in spans), default=0)
        self._length = max((span.end for span in spans), default=0) - self._begin or 1
        known = {span.span_id for span in spans}
        self._children: dict[str, list[Span]] = {}
        for span in sorted(spans, key=lambda span: span.start):
            parent = span.parent_id if span.parent_id in known else ""
            self._children.setdefault(parent, []).append(span)
        self.rows = [row for root in self._children.get("", ()) for row in self._branch(root, 0)]

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self.name}: nothing has been traced yet."
        labels = [f"{'  ' * row.depth}{row.mark} {row.label}" for row in self.rows]
        wide = max(map(len, labels))
        lines = [
            f"{label:<{wide}} |{_text_bar(row)}| {'  '.join([*row.times, row.facts])}".rstrip()
            for label, row in zip(labels, self.rows)
        ]
        lines.append("")
        table = [COLUMNS, *self._table()]
        first, *widths = (max(map(len, column)) for column in zip(*table))
        for kind, *numbers in table:
            cells = (f"  {number:>{width}}" for number, width in zip(numbers, widths))
            lines.append(f"{kind:<{first}}{''.join(cells)}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{escape(repr(self))}</p>"
        rows = "".join(map(_html_row, self.rows))
        body = "".join(_html_line("td", line) for line in self._table())
        return (
            f"<div style='max-width: 960px; font-size: 13px; line-height: 1.4'>{rows}"
            f"<table style='margin: 12px 0 0 0; font-size: 13px'>"
            f"<thead>{_html_line('th', COLUMNS)}</thead><tbody>{body}</tbody></table></div>"
        )

    def _branch(self, span: Span, depth: int) -> list[Row]:
        start, length = span.start - self._begin, span.end - span.start
        rows = [Row(span, depth, start, start / self._length, length / self._length)]
        for child in self._children.get(span.span_id, ()):
            rows += self._branch(child, depth + 1)
        return rows

    def _table(self) -> Iterator[tuple[str, ...]]:
        for kind, total in self.totals.by_kind.items():
            tokens = f"{total.tokens:,}" if total.tokens else ""
            time = f"{total.nanoseconds / 1e9:.3f} s"
            yield kind, str(total.calls), time, tokens, total.price


def show_trace(trace: Trace | None = None) -> Waterfall:
    """Return a trace as a waterfall: by default the last one; raise `RuntimeError` without one."""
    trace = trace or latest()
    return Waterfall(trace.name, trace.spans())


def _text_bar(row: Row) -> str:
    start = min(int(row.left * BAR), BAR - 1)
    length = min(max(round(row.width * BAR), 1), BAR - start)
    return (" " * start + "━" * length).ljust(BAR)


def _html_row(row: Row) -> str:
    colour = f"color: {RED}; " if row.failed else ""
    start, length = row.times
    left, width = min(row.left * 100, 99.4), max(row.width * 100, 0.6)
    return (
        f"<div style='{ROW}'>"
        f"<div style='{colour}padding-left: {row.depth * 18}px; min-width: 0; "
        f"overflow-wrap: anywhere'>{row.mark} <b>{escape(row.label)}</b> {escape(row.facts)}</div>"
        f"<div style='display: flex; gap: 8px; min-width: 0'>"
        f"<div style='{TRACK}; flex: 1'><div style='position: absolute; top: 0; bottom: 0; "
        f"border-radius: 3px; background: {row.colour}; "
        f"left: {left:.2f}%; width: {min(width, 100 - left):.2f}%'></div></div>"
        f"<span style='{NUMBER}; opacity: 0.7'>{start}</span>"
        f"<span style='{NUMBER}'>{length}</span></div></div>"
    )


def _html_line(tag: str, cells: Iterable[str]) -> str:
    sides = chain(["left"], repeat("right"))
    line = (
        f"<{tag} style='{CELL}{side}'>{escape(cell)}</{tag}>" for cell, side in zip(cells, sides)
    )
    return f"<tr>{''.join(line)}</tr>"
