"""Sums without an unknown: ``15% of 80``, ``3/4 + 1/8``, ``2^10``."""

import re

import sympy

from assistants_server.tutor.formulas import Formula, expressions, prose
from assistants_server.tutor.lesson import Lesson, Step
from assistants_server.tutor.notation import decimal, show

ASKED = re.compile(
    r"\b(?:what(?:'s|’s| is| are| do)|calculate|compute|evaluate|how much|work out|solve|find)\b"
    r"|=\s*\??\s*$|\?",
    re.I,
)
ORDER = Step(
    "do brackets first, then powers, then products and quotients from left to right, and at last "
    "sums and differences"
)


def answer(text: str) -> Lesson | None:
    """Work out the number that `text` asks for."""
    found = expressions(text)
    sums = [formula for formula in found if not formula.symbols]
    if not sums or len(sums) < len(found):
        return None
    if not ASKED.search(text) and re.search(r"[A-Za-z]{2}", prose(text)):
        return None
    several = len(sums) == 1 and len(re.findall(r"[-+*/^]", sums[0].source)) > 1
    return Lesson(
        "; ".join(_result(formula) for formula in sums),
        (ORDER,) if several else (),
        value=show(sums[0].sides[0]),
    )


def _result(formula: Formula) -> str:
    source = formula.source.rstrip("= ")
    value = formula.sides[0]
    if value.has(sympy.zoo, sympy.nan):
        return f"{source} is not defined, because it divides by zero"
    value = sympy.nsimplify(value) if value.is_Float else sympy.simplify(value)
    if value.is_Integer:
        return f"{source} = {show(value)}"
    if value.is_Rational and 10**6 % value.q == 0:  # 3/8 = 0.375
        return f"{source} = {show(value)} = {decimal(value)}"
    if value.atoms(sympy.Function):  # no shorter than the question
        return f"{source} ≈ {decimal(value)}"
    return f"{source} = {show(value)} ≈ {decimal(value)}"
