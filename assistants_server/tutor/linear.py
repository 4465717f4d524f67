"""The steps that solve a linear equation: the same is done to both sides, one thing at a time."""

from sympy import Expr, Poly, Symbol, expand

from assistants_server.tutor.lesson import Step
from assistants_server.tutor.notation import show


def is_linear(sides: tuple[Expr, ...], x: Symbol) -> bool:
    """Return whether both sides are polynomials of degree one at most in `x`."""
    return all(side.is_polynomial(x) and Poly(side, x).degree() <= 1 for side in sides)


def linear_steps(left: Expr, right: Expr, x: Symbol, source: str) -> tuple[Step, ...]:
    """Return the steps from ``left = right`` to ``x = ...``, or to a statement without `x`.

    `source` is how the equation was written: SymPy multiplies some brackets out unasked.
    """
    steps = []

    def note(action: str) -> None:
        steps.append(Step(action, f"{show(left)} = {show(right)}"))

    left, right = expand(left), expand(right)
    if "(" in source and "(" not in f"{show(left)}{show(right)}":
        note("multiply out the brackets")
    if not left.has(x) and right.has(x):
        left, right = right, left
        note("swap the sides")
    for amount in (right.coeff(x) * x, left.coeff(x, 0)):
        if amount != 0:
            left, right = expand(left - amount), expand(right - amount)
            note(_subtract(amount))
    factor = left.coeff(x)
    if factor not in (0, 1):
        left, right = x, expand(right / factor)
        note(_divide(factor))
    return tuple(steps)


def _subtract(amount: Expr) -> str:
    if amount.could_extract_minus_sign():
        return f"add {show(-amount)} to both sides"
    return f"subtract {show(amount)} from both sides"


def _divide(factor: Expr) -> str:
    if factor.is_Rational and abs(factor.p) == 1:
        return f"multiply both sides by {show(1 / factor)}"
    return f"divide both sides by {show(factor)}"
