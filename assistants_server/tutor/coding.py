"""Questions that are answered by running code: the tutor writes it, the code interpreter runs it."""

import json
import re
from dataclasses import dataclass

from sympy.printing.numpy import NumPyPrinter

from assistants_server.tutor.conversation import Conversation, ToolCall
from assistants_server.tutor.formulas import Formula, functions
from assistants_server.tutor.whole_numbers import whole

TOOL = "code_interpreter"
MOST = 10_000

FENCED = re.compile(r"```(?:python)?[ \t]*+\n(.*?)```", re.S)
FIBONACCI = re.compile(r"\bfib+on+ac+i", re.I)
PRIMES = re.compile(r"\bprimes?\b(?! factor)", re.I)
FACTORIAL = re.compile(r"\bfactorials?\b", re.I)
TABLE = re.compile(r"\btable\b", re.I)
PLOT = re.compile(r"\b(?:plot|draw|graph|sketch)\b", re.I)
STATISTICS = re.compile(
    r"\b(?:statistics|statistical|summary|summari[sz]e|describe|averages?|means?|csv)\b", re.I
)
THOSE = re.compile(r"\b(?:those|these|them|the numbers|the list)\b", re.I)
SAVE = re.compile(r"\b(?:save|write|export|store)\b", re.I)
FILE = re.compile(r"\b(?:file|csv)\b", re.I)
FIRST = re.compile(
    r"\b(?:first|initial)\s+(\d+)\b|\b(\d+)\s+(?:first\s+)?[a-z]*(?:fib|prime)", re.I
)
UP_TO = re.compile(r"\b(?:up to|below|under|less than|until|to)\s+(\d+)\b", re.I)
ANY_NUMBER = re.compile(r"\b(\d+)\b")
BOUND = r"(-?\d{1,15}(?:\.\d{1,15})?)(?!\d)"
RANGE = re.compile(rf"\bfrom\s+{BOUND}\s+to\s+{BOUND}", re.I)
AGGREGATES = {
    r"\bsum\b|\btotal\b": ("The sum is", "sum(numbers)"),
    r"\bmean\b|\baverage\b": ("The mean is", "sum(numbers) / len(numbers)"),
    r"\blargest\b|\bmaximum\b|\bgreatest\b": ("The largest is", "max(numbers)"),
    r"\bhow many\b|\bcount\b": ("There are", "len(numbers)"),
    r"\beven\b": ("The even ones are", "[number for number in numbers if number % 2 == 0]"),
    r"\bodd\b": ("The odd ones are", "[number for number in numbers if number % 2]"),
    r"\blast\b": ("The last is", "numbers[-1]"),
}


@dataclass(frozen=True)
class Program:
    """Code that answers a question, and the words that go with its output."""

    code: str
    intro: str  # what the output is, without a full stop
    shows_output: bool = True
    writes: str | None = None  # the file that it leaves


def calls(conversation: Conversation) -> tuple[ToolCall, ...]:
    """Return the call that answers the question by code, if there is one."""
    found = program(conversation)
    return (ToolCall(TOOL, json.dumps({"code": found.code})),) if found else ()


def conclude(conversation: Conversation, call: ToolCall) -> str:
    """Return what is said about the output of a call."""
    found = program(conversation)
    output = (call.output or "").strip("\n")
    if found is None:
        return f"The code printed: {output}"
    if re.search(r"^\w*(?:Error|Exception|Interrupt)\b", output, re.M):
        return f"The code failed: {output.splitlines()[-1]}"
    shown = f":\n{output}" if "\n" in output else f": {output}"
    said = found.intro + (shown if found.shows_output else ".")
    if found.writes:
        said += f"\nThe file is [{found.writes}](sandbox:/mnt/data/{found.writes})."
    return said


def program(conversation: Conversation) -> Program | None:
    """Return the code that answers the question; None if it is not one for code."""
    if conversation.is_too_long():
        return None
    if given := FENCED.search(conversation.verbatim()):
        return Program(given[1].strip(), "The code printed")
    text = conversation.question()
    for write in (_plot, _statistics, _fibonacci, _primes, _factorials, _table):
        if found := write(text):
            return found
    return _aggregate(text, conversation)


def _fibonacci(text: str) -> Program | None:
    if not FIBONACCI.search(text):
        return None
    n = _how_many(text) or 10
    code = f"""numbers = [0, 1]
while len(numbers) < {n}:
    numbers.append(numbers[-1] + numbers[-2])
numbers = numbers[:{n}]
print(numbers)"""
    return Program(code, f"The first {n} Fibonacci numbers are")


def _primes(text: str) -> Program | None:
    if not PRIMES.search(text):
        return None
    bound = UP_TO.search(text)
    if bound and not FIRST.search(text):
        n: int | None = whole(bound[1], MOST * 10)
        condition, name = f"candidate < {n}", f"The primes below {n} are"
    else:
        n = _how_many(text)
        condition, name = f"len(numbers) < {n}", f"The first {n} primes are"
    if n is None:
        return None
    code = f"""numbers, candidate = [], 2
while {condition}:
    if all(candidate % prime for prime in numbers if prime * prime <= candidate):
        numbers.append(candidate)
    candidate += 1
print(numbers)"""
    return Program(code, name)


def _factorials(text: str) -> Program | None:
    number = ANY_NUMBER.search(text)
    if not FACTORIAL.search(text) or not number:
        return None
    n = whole(number[1], 1000)
    if re.search(r"\bfirst\b|\bfactorials\b", text, re.I):
        code = f"""from math import factorial

numbers = [factorial(n) for n in range({n})]
print(numbers)"""
        return Program(code, f"The first {n} factorials, from 0! on, are")
    return Program(f"import math\n\nprint(math.factorial({n}))", f"{n}! is")


def _table(text: str) -> Program | None:
    if not TABLE.search(text):
        return None
    if re.search(r"\bmultiplication\b|\btimes table\b", text, re.I):
        n = whole((UP_TO.search(text) or ANY_NUMBER.search(text) or ["", "10"])[1], 30)
        code = f"""for row in range(1, {n} + 1):
    print("".join(f"{{row * column:5}}" for column in range(1, {n} + 1)))"""
        return Program(code, f"The multiplication table up to {n}")
    functions = _functions(text)
    if not functions:
        return None
    low, high = _range(text, "0", "10")
    printed = ", ".join(_numpy(function) for function in functions)
    heads = " ".join(f"{_name(function):>14}" for function in functions)
    code = f"""import numpy

print("{"x":>6} {heads}")
for x in numpy.arange({low}, {high} + 1):
    print(f"{{x:6g}}", *(f"{{value:14g}}" for value in ({printed},)))"""
    return Program(code, f"The table of {' and '.join(map(_name, functions))}")


def _plot(text: str) -> Program | None:
    functions = _functions(text) if PLOT.search(text) else []
    if not functions:
        return None
    low, high = _range(text, "-5", "5")
    plots = [f'plt.plot(x, {_numpy(each)} + 0 * x, label="{_name(each)}")' for each in functions]
    lines = "\n".join(plots)
    code = f"""import matplotlib.pyplot as plt
import numpy

x = numpy.linspace({low}, {high}, 400)
{lines}
plt.grid(alpha=0.3)
plt.legend()
plt.show()"""
    names = " and ".join(map(_name, functions))
    return Program(code, f"Here is {names} from {low} to {high}", shows_output=False)


def _statistics(text: str) -> Program | None:
    if not STATISTICS.search(text) or not re.search(r"\b(?:csv|file|data|columns?)\b", text, re.I):
        return None
    code = """import csv
import glob
import statistics

names = sorted(set(glob.glob("*.csv")) - {"summary.csv"})
rows = list(csv.DictReader(open(names[0], encoding="utf-8")))
summary = []
for column in rows[0]:
    try:
        values = [float(row[column]) for row in rows if row[column] != ""]
    except ValueError:
        continue
    spread = statistics.stdev(values) if len(values) > 1 else 0
    summary.append(
        {
            "column": column,
            "count": len(values),
            "mean": round(statistics.mean(values), 3),
            "stdev": round(spread, 3),
            "min": min(values),
            "max": max(values),
        }
    )
print(f"{len(rows)} rows")
for line in summary:
    print("  ".join(f"{name} {value}" for name, value in line.items()))"""
    intro = "The statistics of the numeric columns are"
    saved = SAVE.search(text)
    if saved is None or not FILE.search(text, saved.end()):
        return Program(code, intro)
    code += """
with open("summary.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, summary[0])
    writer.writeheader()
    writer.writerows(summary)"""
    return Program(code, intro, writes="summary.csv")


def _aggregate(text: str, conversation: Conversation) -> Program | None:
    """Write code that uses the variable of an earlier call: "what is the sum of those?"."""
    if not THOSE.search(text) or not _has_numbers(conversation.earlier()):
        return None
    for pattern, (intro, expression) in AGGREGATES.items():
        if re.search(pattern, text, re.I):
            return Program(f"print({expression})", intro)
    return None


def _has_numbers(conversation: Conversation) -> bool:
    """Return whether an answer of this conversation left a variable called numbers."""
    while conversation.turns:
        found = program(conversation)
        if found is not None and re.search(r"^numbers\b", found.code, re.M):
            return True
        conversation = conversation.earlier()
    return False


def _how_many(text: str) -> int | None:
    match = FIRST.search(text) or ANY_NUMBER.search(text)
    if match is None:
        return None
    return max(1, whole(next(group for group in match.groups() if group), MOST))


def _range(text: str, low: str, high: str) -> tuple[str, str]:
    """Return the range that a message names, or the one given."""
    found = RANGE.search(text)
    return (found[1], found[2]) if found else (low, high)


def _functions(text: str) -> list[Formula]:
    """Return the functions of x, or of another single letter, that a message names."""
    return [function for function in functions(RANGE.sub(" ", text)) if len(function.symbols) == 1]


def _numpy(formula: Formula) -> str:
    expression = formula.sides[0].subs(formula.symbols[0], "x")
    return NumPyPrinter({"fully_qualified_modules": True}).doprint(expression)


def _name(formula: Formula) -> str:
    return formula.source.replace('"', "")
