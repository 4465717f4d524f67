"""Finds the formulas in a message."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sympy import Expr, Symbol

from assistants_server.tutor.parser import FUNCTIONS, CannotRead, Parser, Token
from assistants_server.tutor.tokenizer import plain, tokens_of

MAX_TOKENS = 200
KINDS = ("number", "name", "sign", "unknown")  # of which formulas are made


@dataclass(frozen=True)
class Formula:
    """A formula found in a message, as it stands there with plain signs."""

    sides: tuple[Expr, ...]  # between its equals signs
    source: str
    start: int
    end: int

    @property
    def is_equation(self) -> bool:
        return len(self.sides) == 2

    @property
    def symbols(self) -> list[Symbol]:
        names = {symbol for side in self.sides for symbol in side.free_symbols}
        return sorted(names, key=str)


def formulas(text: str) -> list[Formula]:
    """Return the formulas in `text`, in order: those with a sign or a function in them.

    Raises `TooHard` if a number, a power or a factorial in it is too large to write down.
    """
    text = plain(text)
    runs = _grouped(tokens_of(text), lambda token: token.kind in KINDS)
    candidates = (_longest(run, text) for run in runs)
    return [formula for formula in candidates if formula is not None]


def expressions(text: str) -> list[Formula]:
    """Return the formulas in `text` that have no equals sign."""
    return [formula for formula in formulas(text) if len(formula.sides) == 1]


def functions(text: str) -> list[Formula]:
    """Return the same, with what follows ``f(x) =`` and ``y =`` among them."""
    return expressions(re.sub(r"\b[a-zA-Z]\s*\(\s*[a-z]\s*\)\s*=|\by\s*=", " ", text))


def prose(text: str) -> str:
    """Return `text` without its formulas."""
    found = formulas(text)
    text = plain(text)
    for formula in reversed(found):
        text = text[: formula.start] + text[formula.end :]
    return text


def symbol_after(pattern: str, text: str) -> Symbol | None:
    """Return the letter that follows `pattern`, a regular expression, in `text`."""
    match = re.search(rf"{pattern}\s*`?([A-Za-z])\b", text, re.I)
    return Symbol(match[1]) if match else None


def _grouped(tokens: list[Token], belongs: Callable[[Token], bool]) -> list[list[Token]]:
    """Return the groups of tokens between those that do not belong to any."""
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if belongs(token):
            groups[-1].append(token)
        else:
            groups.append([])
    return groups


def _longest(run: list[Token], text: str) -> Formula | None:
    """Return the longest part of a run that is a formula; a word like "a" may come before it."""
    if len(run) > MAX_TOKENS:
        return None
    for length in range(len(run), 1, -1):
        for start in range(len(run) - length + 1):
            part = run[start : start + length]
            if not _may_be_formula(part):
                continue
            # Letters and signs at the ends may be left out, but never a number or a function.
            rest = run[:start] + run[start + length :]
            if any(token.kind in ("number", "unknown") for token in rest):
                continue
            if part[0].text in "+*/^=!%°)":
                continue
            if part[0].text == "-" and text[part[0].end] == " ":
                continue  # "ab - c": the tail of something that could not be read
            try:
                sides = tuple(Parser(side).parse() for side in _split(part) if side)
            except CannotRead:
                continue
            begin, end = part[0].start, part[-1].end
            return Formula(sides, text[begin:end].strip(), begin, end)
    return None


def _may_be_formula(part: list[Token]) -> bool:
    if part[0].text in ("a", "I", "A") and part[1].kind != "sign" and part[0].end < part[1].start:
        return False  # "a 3x + 1": the article
    signs = [t for t in part[1:] if t.kind == "sign" and t.text not in "()"]
    return bool(signs) or any(token.text.lower() in FUNCTIONS for token in part)


def _split(part: list[Token]) -> list[list[Token]]:
    """Return the tokens of each side; the last one is empty in ``2 + 2 =``."""
    sides = _grouped(part, lambda token: token.text != "=")
    if any(not side for side in sides[:-1]):
        raise CannotRead("nothing in front of an equals sign")
    return sides
