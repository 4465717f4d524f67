"""Counts, times, tokens and dollars of the spans of a trace."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from helpers.tracing.prices import cost
from helpers.tracing.spans import Span

KINDS = {"llm": "run", "text": "message"}  # the others are called as AgentOps calls them


def kind_of(span: Span) -> str:
    """Return what a span stands for: session, run, tool, message, or what a decorator has named.

    Where AgentOps gives no kind, it has noticed a call of the API: a ``completion`` if it used
    tokens, else a ``call``.
    """
    kind = span.attributes.get("agentops.span.kind")
    if kind:
        return KINDS.get(kind, kind)
    return "completion" if "gen_ai.usage.total_tokens" in span.attributes else "call"


@dataclass
class Total:
    """The spans of one kind."""

    calls: int = 0
    nanoseconds: int = 0  # one after another
    tokens: int = 0
    dollars: float = 0.0  # as far as the price table knows the model
    unpriced: set[str] = field(default_factory=set)  # models that it does not know

    def add(self, span: Span) -> None:
        self.calls += 1
        self.nanoseconds += span.end - span.start
        prompt = span.attributes.get("gen_ai.usage.prompt_tokens", 0)
        completion = span.attributes.get("gen_ai.usage.completion_tokens", 0)
        self.tokens += prompt + completion
        model = span.attributes.get("gen_ai.response.model", "")
        dollars = cost(model, prompt, completion)
        if dollars is not None:
            self.dollars += dollars
        elif prompt + completion:
            self.unpriced.add(model)

    @property
    def price(self) -> str:
        """The dollars as people read them."""
        if not self.tokens:
            return ""
        if self.unpriced and not self.dollars:
            return f"no price for {', '.join(sorted(self.unpriced))}"
        least = "at least" if self.unpriced else "about"
        return f"{least} ${self.dollars:.6f}"


class Totals:
    """The spans of a trace, by kind, in the order in which each kind first came."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.by_kind: dict[str, Total] = {}
        self._all = Total()
        for span in spans:
            self._all.add(span)
            self.by_kind.setdefault(kind_of(span), Total()).add(span)

    def __str__(self) -> str:
        parts = []
        for kind, noun in (("run", "run"), ("tool", "tool call"), ("completion", "completion")):
            calls = self.by_kind.get(kind, Total()).calls
            if calls or kind == "run":
                parts.append(f"{calls} {noun}" if calls == 1 else f"{calls} {noun}s")
        if self._all.tokens:
            parts += [f"{self._all.tokens:,} tokens", self._all.price]
        return ", ".join(parts)
