"""Refuses expressions that would be too large once they are multiplied out.

SymPy multiplies ``(a + b + c + d + f + g)^60`` out in a few calls of minutes each, which the budget
cannot see. So what is too large is refused before it is computed.
"""

from math import comb, prod

import sympy
from sympy import Expr

from assistants_server.tutor.budget import TooHard

MAX_DIGITS = 2_000  # of all numbers together
MAX_TERMS = 2_000
MAX_DEGREE = 200
MAX_EXPONENT = 5_000  # of e: the power has 2,000 digits before its point

DIGITS_PER_BIT = 0.30103


def checked(expr: Expr) -> Expr:
    """Return `expr`; raise `TooHard` if it would be too large once it is multiplied out."""
    _measure(expr)
    return expr


def _measure(expr: Expr) -> tuple[int, int, int]:
    """Return upper bounds for its terms, its degree and its digits, once it is multiplied out."""
    if expr.is_Rational:
        bits = expr.p.bit_length() + expr.q.bit_length()
        size = (1, 0, int(bits * DIGITS_PER_BIT))
    elif not expr.args:
        size = (1, int(expr.is_Symbol), 1)
    else:
        sizes = [_measure(part) for part in expr.args]
        if expr.is_number:
            _check_exponent(expr)
        digits = sum(digits for _, _, digits in sizes)
        if expr.is_Add:
            size = (sum(terms for terms, _, _ in sizes), max(each[1] for each in sizes), digits)
        elif expr.is_Mul:
            terms = prod(terms for terms, _, _ in sizes)
            size = (terms, sum(degree for _, degree, _ in sizes), digits)
        elif expr.is_Pow and expr.exp.is_Rational:
            size = _power(sizes[0], abs(expr.exp))
        else:
            size = (1, 1, digits)
    terms, degree, digits = size
    if terms > MAX_TERMS or degree > MAX_DEGREE or digits > MAX_DIGITS:
        raise TooHard
    return size


def _check_exponent(number: Expr) -> None:
    """Refuse e^(e^(10^8)): its exponent alone has more digits than fit into memory."""
    if isinstance(number, sympy.exp):
        exponent = number.args[0]
    elif number.is_Pow and not number.exp.is_Rational:
        exponent = number.exp * sympy.log(number.base)
    else:
        return
    if not abs(sympy.N(exponent, 5)) < MAX_EXPONENT:
        raise TooHard


def _power(base: tuple[int, int, int], exponent: Expr) -> tuple[int, int, int]:
    terms, degree, digits = base
    times = int(exponent) + (exponent.q > 1)
    if times > MAX_DEGREE and terms > 1:
        raise TooHard
    # Each term of the result takes `times` factors from the terms of the base, in any order.
    expanded = comb(times + terms - 1, terms - 1) if exponent.q == 1 else terms
    return expanded, degree * times, digits * times
