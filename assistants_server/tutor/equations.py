"""Equations and systems: solved by SymPy, with the steps."""

import sympy
from sympy import Eq, Expr, Symbol

from assistants_server.tutor.formulas import Formula, formulas, symbol_after
from assistants_server.tutor.lesson import Lesson, Step
from assistants_server.tutor.linear import is_linear, linear_steps
from assistants_server.tutor.notation import decimal, listing, show, show_value
from assistants_server.tutor.polynomial import polynomial_steps, roots
from assistants_server.tutor.size import checked

MAX_UNKNOWNS = 6


def answer(text: str) -> Lesson | None:
    """Solve the equations in `text`; None if there are none."""
    equations = [formula for formula in formulas(text) if formula.is_equation]
    if not equations:
        return None
    wanted = symbol_after(r"\b(?:solve|solved|solving)?\s*\bfor", text)
    if len(equations) == 1:
        return _one(equations[0], wanted)
    return _system(equations)


def _one(equation: Formula, wanted: Symbol | None) -> Lesson:
    left, right = equation.sides
    symbols = equation.symbols
    if not symbols:
        return _statement(equation)
    x = min(symbols, key=lambda symbol: (symbol != wanted, symbol.name != "x"))
    if is_linear(equation.sides, x):
        return _linear(equation, x)
    steps: tuple[Step, ...] = ()
    if (left - right).is_polynomial(x):
        solutions, steps = roots(left, right, x), polynomial_steps(left, right, x)
    else:
        try:
            # SymPy solves abs(x) = 3 for a real x only.
            is_real = symbols == [x] and (left - right).has(sympy.Abs)
            unknown = Symbol(x.name, real=True) if is_real else x
            solutions = sympy.solve((left - right).subs(x, unknown), unknown)
        except NotImplementedError:
            return Lesson(f"I found no solution of {equation.source}, which may still have one")
    solutions = sorted(map(checked, solutions), key=_order)
    if not solutions:
        return Lesson(f"{equation.source} has no solution", steps, value=[])
    return _solved(equation, x, solutions, steps)


def _statement(equation: Formula) -> Lesson:
    left, right = (sympy.simplify(side) for side in equation.sides)
    verdict = "is true" if left == right else "is not true"
    return Lesson(
        f"{equation.source} {verdict}, and it has no unknown to solve for",
        (Step("work out both sides", f"{show(left)} and {show(right)}"),),
        value=left == right,
    )


def _linear(equation: Formula, x: Symbol) -> Lesson:
    left, right = equation.sides
    steps = linear_steps(left, right, x, equation.source)
    difference = sympy.expand(left - right)
    if not difference.has(x):
        outcome = "is true for every" if difference == 0 else "is true for no"
        return Lesson(f"{equation.source} {outcome} {x}", steps, value=[])
    return _solved(equation, x, sympy.solve(difference, x), steps)


def _solved(equation: Formula, x: Symbol, solutions: list[Expr], steps: tuple[Step, ...]) -> Lesson:
    numbers = all(solution.is_number for solution in solutions)
    shown = [f"{x} = {_root(solution)}" for solution in solutions]
    result = f"{equation.source} gives {listing(shown, 'or')}"
    if numbers and not any(solution.is_real for solution in solutions):
        result += ", and no real solution"
    return Lesson(
        result,
        steps,
        check=_check(equation, x, solutions[0]),
        value=[show(solution) for solution in solutions],
    )


def _root(solution: Expr) -> str:
    if solution.is_number and (solution.has(sympy.Float) or len(sympy.sstr(solution)) > 60):
        return f"{decimal(solution)} (rounded)"
    return show_value(solution)


def _check(equation: Formula, x: Symbol, solution: Expr) -> str:
    sides = [sympy.simplify(side.subs(x, solution)) for side in equation.sides]
    if sides[0] != sides[1] or not sides[0].is_number:
        return ""
    return f"with {x} = {show(solution)} both sides are {show(sides[0])}"


def _order(solution: Expr) -> tuple:
    if not solution.is_number:
        return (2, 0, 0, str(solution))
    real, imaginary = sympy.N(solution).as_real_imag()
    return (0 if imaginary == 0 else 1, float(real), float(imaginary), "")


def _system(equations: list[Formula]) -> Lesson | None:
    symbols = sorted({symbol for each in equations for symbol in each.symbols}, key=str)
    if not symbols or len(symbols) > MAX_UNKNOWNS:
        return None
    sources = listing([equation.source for equation in equations])
    try:
        solutions = sympy.solve([Eq(*each.sides) for each in equations], symbols, dict=True)
    except NotImplementedError:
        return Lesson(f"I found no solution of the system {sources}", value=[])
    if not solutions:
        return Lesson(f"The system {sources} has no solution", value=[])
    for value in (value for solution in solutions for value in solution.values()):
        checked(value)
    solutions.sort(key=lambda solution: [_order(value) for value in solution.values()])
    shown = [_assignments(solution) for solution in solutions]
    free = [symbol for symbol in symbols if symbol not in solutions[0]]
    result = f"The system {sources} gives {'; or '.join(shown)}"
    if free:
        result += f", for any {listing([str(symbol) for symbol in free])}"
    return Lesson(
        result,
        _substitution(equations, symbols) if len(solutions) == 1 and not free else (),
        check="" if free else "each equation holds with these values",
        value=shown,
    )


def _assignments(solution: dict[Symbol, Expr]) -> str:
    return listing(
        [f"{symbol} = {show_value(solution[symbol])}" for symbol in sorted(solution, key=str)]
    )


def _substitution(equations: list[Formula], symbols: list[Symbol]) -> tuple[Step, ...]:
    """Return the steps for two linear equations in two unknowns; none for other systems."""
    if len(equations) != 2 or len(symbols) != 2:
        return ()
    if not all(is_linear(each.sides, symbol) for each in equations for symbol in symbols):
        return ()
    first, second = equations
    difference = sympy.expand(first.sides[0] - first.sides[1])
    present = [symbol for symbol in symbols if difference.has(symbol)]
    # The last one without a factor, or else the last one.
    gone = max(present, key=lambda symbol: (difference.coeff(symbol) in (1, -1), str(symbol)))
    kept = next(symbol for symbol in symbols if symbol != gone)
    expression = sympy.solve(Eq(*first.sides), gone)[0]
    left, right = (side.subs(gone, expression) for side in second.sides)
    found = sympy.solve(Eq(left, right), kept)[0]
    return (
        Step(f"solve {first.source} for {gone}", f"{gone} = {show(expression)}"),
        Step(f"put that into {second.source}", f"{show(left)} = {show(right)}"),
        Step(f"solve that for {kept}", f"{kept} = {show(found)}"),
        Step("put it back", f"{gone} = {show(expression.subs(kept, found))}"),
    )
