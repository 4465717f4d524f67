"""Reads the tokens of one expression into SymPy.

SymPy's own parser evaluates its input as Python, which a message from anybody must never be. This
one knows numbers, single letters, a dozen functions and the usual signs, and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from assistants_server.tutor.budget import TooHard
from assistants_server.tutor.size import MAX_DIGITS, checked

MAX_POWER = 60
MAX_FACTORIAL = 500

FUNCTIONS: dict[str, Callable[[Expr], Expr]] = {
    **{name: getattr(sympy, name) for name in ("sqrt", "sin", "cos", "tan", "exp")},
    **{f"a{name}": getattr(sympy, f"a{name}") for name in ("sin", "cos", "tan")},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in ("sin", "cos", "tan")},
    "ln": sympy.log,
    "log": lambda x: sympy.log(x, 10),
    "abs": sympy.Abs,
}
CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}


class CannotRead(ValueError):
    """These tokens are not an expression, or a larger one than the tutor will work on."""


@dataclass(frozen=True)
class Token:
    """A piece of a message: a number, a name, a sign or something else, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


END = Token("end", "", 0, 0)


class Parser:
    """Reads one expression by recursive descent: sum, product, sign, power, atom."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = iter([*tokens, END])
        self.next = next(self.tokens)

    def parse(self) -> Expr:
        value = self._sum()
        if self.next is not END:
            raise CannotRead(f"unexpected {self.next.text}")
        return value

    def _take(self, *signs: str) -> str | None:
        sign = self.next.text
        if sign not in signs:
            return None
        self.next = next(self.tokens)
        return sign

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
        return self.next.kind == "name" or self.next.text == "("

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
        token = self.next
        if token is END:
            raise CannotRead("it ends too early")
        self.next = next(self.tokens)
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

    def _call(self, function: Callable[[Expr], Expr]) -> Expr:
        exponent = self._atom() if self._take("^") else None
        if self.next.text == "(":
            value = function(self._atom())
        else:  # sin 2x
            argument = self._power()
            while self._atom_follows() and self.next.text.lower() not in FUNCTIONS:
                argument = argument * self._power()
            value = function(argument)
        return checked(value) if exponent is None else _power(value, exponent)


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
