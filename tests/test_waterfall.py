"""The picture of a trace, in HTML and in text, and what it cost."""

import re
from html.parser import HTMLParser

import pytest

from helpers.tracing.prices import PRICES, Price, cost
from helpers.tracing.spans import Span
from helpers.tracing.totals import Totals
from helpers.tracing.waterfall import Waterfall

MS = 1_000_000


def _span(name, span_id, parent_id, start, end, status="unset", message="", **attributes) -> Span:
    attributes = {key.replace("__", "."): value for key, value in attributes.items()}
    begin, finish = start * MS, end * MS
    return Span("t", span_id, parent_id, name, begin, finish, status, message, attributes, [], {})


RUN = {
    "agentops__span__kind": "llm",
    "gen_ai__run__status": "completed",
    "gen_ai__response__model": "gpt-6-luna",
    "gen_ai__usage__prompt_tokens": 1000,
    "gen_ai__usage__completion_tokens": 500,
    "gen_ai__usage__total_tokens": 1500,
}
SPANS = [
    _span("quiz.session", "s", "", 0, 1000, "ok", agentops__span__kind="session"),
    _span("openai.assistants.create", "a", "s", 10, 20),
    _span("openai.run", "r", "s", 100, 600, "ok", **RUN),
    _span("openai.run.display_quiz", "q", "r", 200, 300, agentops__span__kind="tool"),
    _span("<b>.tool", "f", "r", 220, 230, "error", "ValueError: <i>", agentops__span__kind="tool"),
]


def test_the_text_form():
    assert repr(Waterfall("quiz", SPANS)) == (
        "✓ quiz.session        |━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━| +0.000 s  1.000 s\n"
        "  ✓ assistants.create |━                               | +0.010 s  0.010 s\n"
        "  ✓ run               |   ━━━━━━━━━━━━━━━━             | +0.100 s  0.500 s  "
        "completed, gpt-6-luna, 1,500 tokens\n"
        "    ✓ display_quiz    |      ━━━                       | +0.200 s  0.100 s\n"
        "    ✗ <b>.tool        |       ━                        | +0.220 s  0.010 s  "
        "ValueError: <i>\n"
        "\n"
        "kind     calls     time  tokens             cost\n"
        "session      1  1.000 s\n"
        "call         1  0.010 s\n"
        "run          1  0.500 s   1,500  about $0.000350\n"
        "tool         2  0.110 s"
    )


def test_the_html_form_is_well_formed_and_escaped():
    html = Waterfall("quiz", SPANS)._repr_html_()
    assert "&lt;b&gt;.tool" in html
    assert "ValueError: &lt;i&gt;" in html
    assert "color: #dc2626" in html
    assert "<script" not in html
    assert "http" not in html

    class Tags(HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag, _):
            self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(html)
    assert tags.open == []


def test_bars_stay_inside():
    html = Waterfall("quiz", SPANS)._repr_html_()
    bars = re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", html)
    assert len(bars) == len(SPANS)
    for left, width in bars:
        assert 0 <= float(left) <= 100
        assert 0 < float(width) <= 100.01 - float(left)


def test_children_whose_parent_is_not_there_are_shown_too():
    """While a trace is open, its session span has not been sent."""
    rows = Waterfall("quiz", SPANS[1:]).rows
    assert [(row.span.name, row.depth) for row in rows] == [
        ("openai.assistants.create", 0),
        ("openai.run", 0),
        ("openai.run.display_quiz", 1),
        ("<b>.tool", 1),
    ]


def test_an_empty_trace():
    assert repr(Waterfall("quiz", [])) == "quiz: nothing has been traced yet."
    assert "nothing has been traced yet" in Waterfall("quiz", [])._repr_html_()


def test_a_price_that_the_reader_sets_is_used(monkeypatch: pytest.MonkeyPatch):
    assert cost("gpt-6-luna", 1_000_000, 1_000_000) == pytest.approx(0.60)
    assert cost("mine", 1, 1) is None
    spans = [_span("openai.run", "r", "", 0, 1, **{**RUN, "gen_ai__response__model": "mine"})]
    assert str(Totals(spans)) == "1 run, 1,500 tokens, no price for mine"
    assert str(Totals([*spans, *SPANS])).endswith("3,000 tokens, at least $0.000350")
    monkeypatch.setitem(PRICES, "mine", Price(2.0, 4.0, "2026-11-22"))
    assert str(Totals(spans)) == "1 run, 1,500 tokens, about $0.004000"


def test_every_price_is_dated():
    for price in PRICES.values():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", price.as_of)
        assert 0 < price.prompt < price.completion


def test_a_chat_completion_counts_too():
    """AgentOps notices them by itself, and gives them no kind of its own."""
    usage = {key: value for key, value in RUN.items() if "usage" in key or "model" in key}
    spans = [*SPANS, _span("openai.chat.completion", "c", "s", 700, 800, "ok", **usage)]
    assert str(Totals(spans)) == "1 run, 2 tool calls, 1 completion, 3,000 tokens, about $0.000700"
    assert "chat.completion" in repr(Waterfall("quiz", spans))
