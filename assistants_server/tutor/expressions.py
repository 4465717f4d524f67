"""Finds mathematics in a message and reads it into SymPy.

SymPy's own parser evaluates its input as Python, which a message from anybody must never be. This
one knows numbers, single letters, a dozen functions and the usual signs, and nothing else.
"""

import re
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from assistants_server.tutor.budget import TooHard
from assistants_server.tutor.size import MAX_DIGITS, checked

MAX_TOKENS = 200
MAX_POWER = 60
MAX_FACTORIAL = 500

FUNCTIONS = {
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "ln": sympy.log,
    "log": lambda x: sympy.log(x, 10),
    "exp": sympy.exp,
    "abs": sympy.Abs,
}
CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "π": " pi "})
SIGNS |= str.maketrans({"`": " ", "$": " ", "√": " sqrt ", "{": "(", "}": ")", "[": "(", "]": ")"})
SPOKEN = (
    (r"\bto the (?:power of|power)\b", "^"),
    (r"\bsquare root of\b", "sqrt"),
    (r"\b(?:is equal to|equals)\b", "="),
    (r"\bmultiplied by\b|\btimes\b", "*"),
    (r"\bdivided by\b", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\bsquared\b", "^2"),
    (r"\bcubed\b", "^3"),
    (r"\bpercent\b", "%"),
    (r"%\s*of\b", "% *"),
    (r"\bdegrees?\b", "°"),
    (r"\*\*", "^"),
    (r"\s(?=[%°!^])", ""),
)
TOKEN = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{4})"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z]+(?:['’][A-Za-z]+)*)"
    r"|(?P<sign>[-+*/^()=!%°])"
    r"|(?P<space>[ \t]+)"
    r"|(?P<other>\n|.)"
)


SHORT_WORDS = frozenset(
    """
    ad ah am an as at be by do eh er go ha he hi ho if in is it la lo ma me my no of oh ok on or ow
    ox pa re sh si so to uh um up us vs we ya ye yo
    """.split()  # noqa: SIM905, as a list it would fill the page
)


class CannotRead(ValueError):
    """These tokens are not an expression, or a larger one than the tutor will work on."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Formula:
    """A formula found in a message.

    Attributes:
        sides: the expressions between its equals signs; one if it has none.
        source: how it was written, with plain signs.
        start, end: where it stands in the message with plain signs.
    """

    sides: tuple[Expr, ...]
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

    Raises:
        TooHard: a number, a power or a factorial in it is too large to write down.
    """
    text = plain(text)
    candidates = (_longest(run, text) for run in _runs(_tokens(text)))
    return [formula for formula in candidates if formula is not None]


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


def plain(text: str) -> str:
    """Return `text` with one spelling for each sign: ``x²`` and ``x squared`` become ``x^2``."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + m[0].translate(SUPERSCRIPTS), text)
    text = re.sub(r"[^\S\n]+", " ", text.translate(SIGNS))
    for pattern, replacement in SPOKEN:
        text = re.sub(pattern, replacement, text, flags=re.I)
    return text


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    for match in TOKEN.finditer(text):
        kind, start = match.lastgroup, match.start()
        if kind == "space":
            continue
        after_digit = start > 0 and (text[start - 1].isdigit() or text[start - 1] == ")")
        if kind == "name" and match[0].lower() not in (*FUNCTIONS, "pi"):
            if len(match[0]) == 1 or _product(match[0], after_digit, tokens):
                for offset, letter in enumerate(match[0]):
                    tokens.append(Token("name", letter, start + offset, start + offset + 1))
            else:
                tokens.append(Token("other", match[0], start, match.end()))
            continue
        tokens.append(Token(kind, match[0], start, match.end()))
    return tokens


def _product(word: str, after_digit: bool, before: list[Token]) -> bool:
    """Return whether a short word is letters multiplied: ``xy``, ``3ab``, ``ax``, ``+ by``."""
    if len(word) == 2 and word.islower():
        follows_sign = bool(before) and before[-1].text in ("+", "-", "*", "/", "=")
        return after_digit or follows_sign or word not in SHORT_WORDS
    return len(word) <= 3 and (after_digit or set(word) <= set("xyz"))


def _runs(tokens: list[Token]) -> list[list[Token]]:
    runs: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind in ("number", "name", "sign"):
            runs[-1].append(token)
        else:
            runs.append([])
    return [run for run in runs if run]


def _longest(run: list[Token], text: str) -> Formula | None:
    """Return the longest part of the run that reads as a formula; words like "a" may lead it."""
    if len(run) > MAX_TOKENS:
        return None
    for length in range(len(run), 1, -1):
        for start in range(len(run) - length + 1):
            part = run[start : start + length]
            if not _telling(part):
                continue
            # Stray letters and signs may be left out at the ends, a number never.
            rest = run[:start] + run[start + length :]
            if any(token.kind == "number" for token in rest):
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


def _telling(part: list[Token]) -> bool:
    if part[0].text in ("a", "I", "A") and part[1].kind != "sign" and part[0].end < part[1].start:
        return False  # "a 3x + 1": the article
    signs = [t for t in part[1:] if t.kind == "sign" and t.text not in "()"]
    return bool(signs) or any(token.text.lower() in FUNCTIONS for token in part)


def _split(part: list[Token]) -> list[list[Token]]:
    sides: list[list[Token]] = [[]]
    for token in part:
        if token.text == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    if any(not side for side in sides[:-1]):
        raise CannotRead("nothing in front of an equals sign")
    return sides


class Parser:
    """Reads one expression by recursive descent: sum, product, sign, power, atom."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def parse(self) -> Expr:
        value = self._sum()
        if self.at < len(self.tokens):
            raise CannotRead(f"unexpected {self._peek()}")
        return value

    def _peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _take(self, *signs: str) -> str | None:
        if self._peek() in signs and self.at < len(self.tokens):
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def _sum(self) -> Expr:
        value = self._product()
        while sign := self._take("+", "-"):
            right = self._product()
            value = checked(value + right if sign == "+" else value - right)
        return value

    def _product(self) -> Expr:
        value = self._signed()
        while True:
            if sign := self._take("*", "/"):
                right = self._signed()
                value = checked(value * right if sign == "*" else value / right)
            elif self._atom_follows():
                value = checked(value * self._power())
            else:
                return value

    def _atom_follows(self) -> bool:
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return token.kind == "name" or token.text == "("

    def _signed(self) -> Expr:
        if sign := self._take("+", "-"):
            value = self._signed()
            return value if sign == "+" else -value
        return self._power()

    def _power(self) -> Expr:
        base = self._atom()
        while sign := self._take("!", "%", "°"):
            if sign == "!":
                base = _factorial(base)
            else:
                base = base / 100 if sign == "%" else base * sympy.pi / 180
        return _power(base, self._signed()) if self._take("^") else base

    def _atom(self) -> Expr:
        if self.at >= len(self.tokens):
            raise CannotRead("it ends too early")
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "number":
            return _number(token.text)
        if token.text == "(":
            value = self._sum()
            if not self._take(")"):
                raise CannotRead("a bracket is not closed")
            return value
        if token.kind != "name":
            raise CannotRead(f"unexpected {token.text}")
        name = token.text.lower()
        if name in FUNCTIONS:
            return self._call(FUNCTIONS[name])
        if name in CONSTANTS and token.text.islower():
            return CONSTANTS[name]
        return Symbol(token.text)

    def _call(self, function) -> Expr:
        exponent = self._atom() if self._take("^") else None
        if self._peek() == "(":
            value = function(self._atom())
        else:  # sin 2x
            argument = self._power()
            while self._atom_follows() and self._peek().lower() not in FUNCTIONS:
                argument = argument * self._power()
            value = function(argument)
        return checked(value) if exponent is None else _power(value, exponent)


def whole(written: str, most: int) -> int:
    """Return the whole number that is written; `most`, or ``-most``, if it is larger than that."""
    digits = written.lstrip("-").lstrip("0") or "0"
    size = most if len(digits) > len(str(most)) else min(int(digits), most)
    return -size if written.startswith("-") else size


def _number(text: str) -> Expr:
    text = text.replace(",", "")
    if len(text) > MAX_DIGITS:
        raise TooHard
    return sympy.Rational(text)


def _factorial(n: Expr) -> Expr:
    if not (n.is_Integer and 0 <= n <= MAX_FACTORIAL):
        raise TooHard
    return sympy.factorial(n)


def _power(base: Expr, exponent: Expr) -> Expr:
    if exponent.is_Rational and base.is_Rational:
        digits = max(len(str(base.p)), len(str(base.q))) * abs(exponent)
        if digits > MAX_DIGITS:
            raise TooHard
    elif exponent.is_Rational and abs(exponent) > MAX_POWER:
        raise TooHard
    return checked(base**exponent)
