"""Writes SymPy's expressions the way people do: ``3x² + 2√5``, not ``3*x**2 + 2*sqrt(5)``."""

import re

import sympy
from sympy import Expr

from assistants_server.tutor.size import checked

SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
DECIMALS = 6
LARGEST = 10**300  # about the largest that a float holds
CONSTANTS = (("pi", "π", sympy.pi), ("oo", "∞", sympy.oo), ("I", "i", sympy.I), ("E", "e", sympy.E))


def show(expr: Expr) -> str:
    """Return `expr` as text that the tutor can read again."""
    text = sympy.sstr(expr)
    text = re.sub(
        r"\*\*\((-\d+)\)|\*\*(\d+)", lambda m: (m[1] or m[2]).translate(SUPERSCRIPT), text
    )
    text = text.replace("**", "^")
    for name, sign in (("exp", "e^"), ("sqrt", "√"), ("log", "ln"), ("Abs", "abs")):
        text = re.sub(rf"\b{name}\(", f"{sign}(", text)
    text = re.sub(r"(√|e\^)\((\w)\)|√\((\d+)\)", lambda m: (m[1] or "√") + (m[2] or m[3]), text)
    for name, sign, constant in CONSTANTS:
        if expr.has(constant):  # otherwise it is a letter of that name
            text = re.sub(rf"\b{name}\b", sign, text)
    text = re.sub(r"(?<![√\d])(\d+)\*(?=[A-Za-z](?![A-Za-z])|[π√(])", r"\1", text)
    text = re.sub(r"(?<=\))\*(?=\()", "", text)
    text = re.sub(r"(?<![A-Za-z])([A-Za-z])\*(?=[A-Za-z](?![A-Za-z]))", r"\1", text)
    return text.replace("*", "·")


def show_value(value: Expr) -> str:
    """Return a number exactly, with its decimals where they are not obvious: ``√2 ≈ 1.414214``."""
    exact = show(value)
    if value.is_Rational or not value.is_number or value.has(sympy.I):
        return exact
    return f"{exact} ≈ {decimal(value)}"


def decimal(value: Expr) -> str:
    """Return a number with up to six decimals, a complex one with ``i``."""
    real, imaginary = sympy.N(checked(value), 30).as_real_imag()
    if not imaginary:
        return _rounded(real)
    size = f"{_rounded(abs(imaginary))}i"
    if not real:
        return f"-{size}" if imaginary < 0 else size
    return f"{_rounded(real)} {'-' if imaginary < 0 else '+'} {size}"


def _rounded(value: Expr) -> str:
    if abs(value) > LARGEST:
        return sympy.sstr(sympy.N(value, DECIMALS))
    return f"{float(value):.{DECIMALS}f}".rstrip("0").rstrip(".")


def listing(items: list[str], word: str = "and") -> str:
    """Join items as in a sentence: ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"
