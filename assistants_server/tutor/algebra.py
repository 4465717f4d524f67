"""Simplifying, factoring and expanding."""

import re

import sympy
from sympy import Expr

from assistants_server.tutor.formulas import Formula, expressions
from assistants_server.tutor.lesson import Lesson, Step
from assistants_server.tutor.notation import show
from assistants_server.tutor.whole_numbers import whole

MAX_TO_FACTOR = 10**30
WORK = (
    (r"\bfactor(?:i[sz]e)?\b", sympy.factor, "factor", "find what all terms share"),
    (r"\bexpand\b|\bmultiply out\b", sympy.expand, "expand", "multiply each term by each"),
    (r"\bsimplif", sympy.simplify, "simplify", "bring like terms together"),
)


def answer(text: str) -> Lesson | None:
    """Rewrite the expression in `text`, if it asks for that."""
    for pattern, rewrite, verb, how in WORK:
        if re.search(pattern, text, re.I):
            found = expressions(text)
            number = re.search(r"\b\d[\d,]*\b", text)
            if verb == "factor" and number and not any(formula.symbols for formula in found):
                return _prime_factors(number[0].replace(",", ""))
            if found:
                return _rewritten(found[0], rewrite(found[0].sides[0]), verb, how)
    return None


def _rewritten(formula: Formula, result: Expr, verb: str, how: str) -> Lesson:
    before = formula.sides[0]
    if result == before and show(result).replace(" ", "") == formula.source.replace(" ", ""):
        return Lesson(f"{formula.source} is as far as I can {verb} it", value=show(result))
    return Lesson(
        f"{formula.source} = {show(result)}", (Step(how, show(result)),), value=show(result)
    )


def _prime_factors(written: str) -> Lesson:
    number = whole(written, MAX_TO_FACTOR + 1)
    if number > MAX_TO_FACTOR:
        return Lesson(f"{written} is too large for me to factor; I stop at 30 digits")
    if number < 2 or sympy.isprime(number):
        kind = "prime" if number > 1 else "not a product of primes"
        return Lesson(f"{number} is {kind}", value=str(number))
    powers = sympy.factorint(number)
    product = " · ".join(
        show(sympy.Symbol("p") ** n).replace("p", str(p)) for p, n in powers.items()
    )
    smallest = min(powers)
    return Lesson(
        f"{number} = {product}",
        (
            Step(f"divide by {smallest}, the smallest prime that fits, as often as it goes"),
            Step("go on with the next larger one until 1 is left"),
        ),
        value=product,
    )
