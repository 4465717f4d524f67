"""The steps of a quadratic or higher equation: bring to one side, factor, or use the formula."""

from sympy import Expr, Poly, Symbol, factor, factor_list, nroots, solve, sqrt

from assistants_server.tutor.lesson import Step
from assistants_server.tutor.notation import listing, show


def roots(left: Expr, right: Expr, x: Symbol) -> list[Expr]:
    """Return the solutions of ``left = right``, both polynomials in `x`.

    Those of irreducible factors of degree three and more are decimals: their exact forms are
    longer than a line, where there are any.
    """
    found: list[Expr] = []
    for part, _ in factor_list(left - right, x)[1]:
        exact = Poly(part, x).degree() <= 2 or part.free_symbols != {x}
        found += solve(part, x) if exact else nroots(part)
    return found


def polynomial_steps(left: Expr, right: Expr, x: Symbol) -> tuple[Step, ...]:
    polynomial = Poly(left - right, x)
    whole = polynomial.as_expr()
    steps = []
    if polynomial.degree() == 2 and polynomial.coeff_monomial(x) == 0:
        return _square(polynomial, x)
    if right != 0 or left != whole:
        steps.append(Step("bring everything to one side", f"{show(whole)} = 0"))
    factors = [part for part, _ in factor_list(whole, x)[1]]
    if factors != [whole] and factor(whole) != whole:
        steps.append(Step("factor", f"{show(factor(whole))} = 0"))
        zeros = [f"{show(part)} = 0" for part in factors if part.has(x)]
        steps.append(Step("set each factor to zero", listing(zeros, "or")))
    elif polynomial.degree() == 2:
        steps.append(_formula(polynomial))
    return tuple(steps)


def _square(polynomial: Poly, x: Symbol) -> tuple[Step, ...]:
    a, _, c = polynomial.all_coeffs()
    return (
        Step(f"solve for {show(x**2)}", f"{show(x**2)} = {show(-c / a)}"),
        Step("take the square root of both sides", f"{x} = ±{show(sqrt(-c / a))}"),
    )


def _formula(polynomial: Poly) -> Step:
    a, b, c = polynomial.all_coeffs()
    return Step(
        f"use the quadratic formula with a = {show(a)}, b = {show(b)}, c = {show(c)}",
        f"a discriminant b² - 4ac of {show(b**2 - 4 * a * c)}",
    )
