"""Derivatives, integrals and limits."""

import re

import sympy
from sympy import Expr, Symbol

from assistants_server.tutor.formulas import functions, symbol_after
from assistants_server.tutor.lesson import Lesson, Step
from assistants_server.tutor.notation import show, show_value
from assistants_server.tutor.parser import Parser
from assistants_server.tutor.tokenizer import plain, tokens_of

DERIVATIVE = re.compile(r"\b(?:derivative|differentiate|derive)\b|\bd\s*/\s*d[a-z]\b", re.I)
INTEGRAL = re.compile(r"\b(?:integral|integrate|antiderivative)\b|∫", re.I)
LIMIT = re.compile(r"\b(?:limit|lim)\b", re.I)
NUMBER = r"(-?\s*(?:infinity\b|∞|(?:(?:\d+(?:\.\d+)?)?(?:pi|π|e)|\d+(?:\.\d+)?)(?:/\d+)?\b))"
BOUNDS = re.compile(rf"\b(?:from|between)\s+{NUMBER}\s*(?:to|and)\s+{NUMBER}", re.I)
APPROACH = re.compile(
    rf"(?:as\s+)?\b([a-z])\s*(?:→|->|approaches|goes to|tends to)\s*{NUMBER}", re.I
)
SECOND = re.compile(r"\bsecond\b", re.I)


def answer(text: str) -> Lesson | None:
    """Differentiate, integrate or take a limit, if `text` asks for it."""
    for pattern, work in ((DERIVATIVE, _differentiate), (INTEGRAL, _integrate), (LIMIT, _limit)):
        if pattern.search(text):
            return work(text)
    return None


def _function(text: str) -> tuple[str, Expr | None]:
    """Return the function in `text` as it is written, which may be a bare letter, and as read."""
    text = re.sub(r"\bd\s*/\s*d([a-z])\b", r" derivative ", text)
    text = re.sub(r"\bd([a-z])\b", " ", text)
    for formula in functions(text):
        return formula.source, formula.sides[0]
    single = symbol_after(r"\b(?:of|differentiate|integrate)\s*(?:the\s+function)?", text)
    return str(single), single


def _variable(text: str, function: Expr) -> Symbol:
    named = symbol_after(r"\b(?:with respect to|in terms of|d\s*/\s*d|as)", text)
    symbols = sorted(function.free_symbols, key=str) or [named or Symbol("x")]
    return min(symbols, key=lambda symbol: (symbol != named, symbol.name != "x"))


def _differentiate(text: str) -> Lesson | None:
    source, function = _function(text)
    if function is None:
        return None
    x = _variable(text, function)
    order = 2 if SECOND.search(text) else 1
    result = sympy.simplify(function.diff(x, order))
    name = "second derivative" if order == 2 else "derivative"
    steps = _derivative_steps(function, x)
    if order == 2:
        steps += (Step("differentiate once more", show(result)),)
    return Lesson(f"The {name} of {source} is {show(result)}", steps, value=show(result))


def _derivative_steps(function: Expr, x: Symbol) -> tuple[Step, ...]:
    terms = sympy.Add.make_args(sympy.expand(function) if function.is_polynomial(x) else function)
    return tuple(
        Step(f"{_rule(term, x)} on {show(term)}", show(sympy.simplify(term.diff(x))))
        for term in sorted(terms, key=lambda term: -_degree(term, x))
    )


def _degree(term: Expr, x: Symbol) -> int:
    return int(sympy.degree(term, x)) if term.is_polynomial(x) and term.has(x) else 0


def _rule(term: Expr, x: Symbol) -> str:
    if not term.has(x):
        return "use that a constant does not change"
    _, core = term.as_independent(x)
    if core == x or (core.is_Pow and core.base == x and not core.exp.has(x)):
        return "use the power rule"
    if core.is_Mul:
        return "use the product rule"
    inner = core.args[0] if core.args else core
    return "use the rule for this function" if inner == x else "use the chain rule"


def _integrate(text: str) -> Lesson | None:
    bounds = BOUNDS.search(text)
    source, function = _function(BOUNDS.sub(" , ", text))
    if function is None:
        return None
    x = _variable(text, function)
    anti = sympy.integrate(function, x)
    if anti.has(sympy.Integral):
        return Lesson(f"I found no closed form for the integral of {source}")
    step = Step(f"find a function whose derivative is {source}", show(anti))
    if bounds is None:
        return Lesson(
            f"The integral of {source} is {show(anti)} + C",
            (step,),
            check=f"the derivative of {show(anti)} is {source}",
            value=f"{show(anti)} + C",
        )
    low, high = (_number(bound) for bound in bounds.groups())
    value = sympy.simplify(sympy.integrate(function, (x, low, high)))
    if value.has(sympy.nan, sympy.zoo, sympy.Integral) or not value.is_finite:
        return Lesson(
            f"The integral of {source} from {show(low)} to {show(high)} does not converge"
        )
    return Lesson(
        f"The integral of {source} from {show(low)} to {show(high)} is {show_value(value)}",
        (step, Step(f"take it at {show(high)} and subtract it at {show(low)}", show(value))),
        value=show(value),
    )


def _limit(text: str) -> Lesson | None:
    approach = APPROACH.search(text)
    source, function = _function(APPROACH.sub(" , ", text))
    if function is None or approach is None:
        return None
    x, point = Symbol(approach[1]), _number(approach[2])
    value = sympy.limit(function, x, point)
    if isinstance(value, sympy.AccumBounds) or value.has(sympy.nan):
        return Lesson(f"{source} has no limit as {x} goes to {show(point)}")
    return Lesson(
        f"The limit of {source} as {x} goes to {show(point)} is {show(value)}", value=show(value)
    )


def _number(text: str) -> Expr:
    bare = text.lower().replace(" ", "").replace("infinity", "∞")
    if bare.endswith("∞"):
        return -sympy.oo if bare.startswith("-") else sympy.oo
    return Parser(tokens_of(plain(bare))).parse()
