"""Questions that are too much for the tutor are declined in words, by what they are.

They are asked in its own process. One that would hang it, kill it or fill its memory would end the
process, and so fail here on any machine.
"""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from assistants_server.offline.tutor_process import TutorProcess
from assistants_server.tutor import (
    Conversation,
    JsonFormat,
    Message,
    Reply,
    ToolCall,
    pipe,
    process_limits,
)
from assistants_server.tutor.conversation import MOST_CHARACTERS
from assistants_server.tutor.refusals import FAILED, TOO_HARD, TOO_LONG
from tests.test_tutor import TOOLS

Ask = Callable[..., Reply]

# Computing any of them takes minutes, or more memory or digits than there are.
TOO_MUCH = {
    "terms": "expand (a+b+c+d+f+g)^60",
    "terms of a product": "expand " + "*".join(["(a+b+c+d+f+g)"] * 14),
    "terms of powers": "expand (x+1)^60*(y+1)^60*(z+1)^60",
    "terms of an integral": "integrate (a+b+c+d+f+g)^60",
    "degree": "solve ((x^60)^60)^60 = 1",
    "digits of a product": "What is 9^1999*9^1999*9^1999?",
    "digits of a number": "What is " + "1" * 5_000 + " + 1?",
    "digits of an equation": "x = " + "1" * 5_000,
    "digits of a coefficient": "expand (" + "9" * 1_999 + "x + 1)^60",
    "factorial of a factorial": "What is ((3!)!)!?",
    "digits of an exponent": "What is exp(exp(10^7))?",
    "digits inside a sine": "What is sin(exp(10^8))?",
    "a tower": "What is e^(e^(e^(e^e)))?",
    "a root of high order": "x^(1/997) + x = 1",  # where a generator swallowed the end of it
    "many equations": "x = 1, " * 2_000,
}

LONG = MOST_CHARACTERS - 100
ODD = {
    "spaces": "x" + " " * LONG + "= 1",
    "backticks": "x" + "`" * LONG + "%",
    "no-break spaces": "x" + "\u00a0" * LONG + "%",
    "line breaks": "```" + "\n" * LONG,
    "one word": "a" * LONG,
    "one number": "factor " + "9" * LONG,
    "one number, grouped": "1" + ",111" * (LONG // 4) + "1",
    "brackets": "(" * (LONG // 2) + ")" * (LONG // 2),
    "signs": "!" * LONG,
    "equals signs": "= " * (LONG // 2),
    "combining characters": "x" + "\u0301" * LONG,
    "superscripts": "x" + "²" * LONG + " = 1",
    "digits of another script": "٣" * LONG,
    "words that begin a pattern": "save " * (LONG // 5),
    "marks of passages": "【1:1†" * (LONG // 5),
    "a range": "table of x^2 from 0 to " + "9" * (LONG - 200),
    "a count": "count from -" + "9" * 9_000 + " to " + "9" * 9_000,
    "primes": "primes up to " + "9" * LONG,
    "a quiz": "a quiz with " + "9" * 9_000 + " questions",
    "division by zero": "What is 1/0 + 0^0 + (1/0)^(1/0)?",
    "comparing what is not defined": "1/0 and 1/0 = x - 7",
    "an integral to nowhere": "integrate x from 0 to 1/0",
    "a lone surrogate": "x\ud800 = 1",
    "a zero byte": "x\0 = 1",
}


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    tutor = TutorProcess()

    def ask(*turns: Message | ToolCall, **settings: object) -> Reply:
        asked = pipe.Question(Conversation("", turns, **settings), process_limits.CALLS)
        return tutor.ask(asked, process_limits.SECONDS).reply

    yield ask
    tutor.end()


@pytest.mark.parametrize("question", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_question_that_is_too_much_is_declined_in_words(ask, question):
    assert ask(Message("user", question)).text == TOO_HARD.full()


@pytest.mark.parametrize("question", ODD.values(), ids=ODD)
@pytest.mark.parametrize("tools", [(), TOOLS], ids=["", "with tools"])
def test_an_odd_question_is_answered(ask, question, tools):
    reply = ask(Message("user", question), tools=tools)
    reply.text.encode()
    assert reply.text or reply.calls
    for call in reply.calls:
        arguments = json.loads(call.arguments)
        compile(arguments.get("code", ""), "code", "exec")
        assert len(arguments.get("questions", ())) <= 50


def test_a_question_that_is_too_long_is_declined_rather_than_cut(ask):
    question = "Solve 2x = 8" + " please" * MOST_CHARACTERS
    assert ask(Message("user", question)).text == TOO_LONG.full()
    several = [Message("user", "2x = 8 " + "please " * 1_000)] * 4
    assert ask(*several).text == TOO_LONG.full()
    asked_before = (Message("user", question), Message("assistant", "No."))
    assert ask(*asked_before, Message("user", "Why?")).text == TOO_LONG.full()
    assert "x = 4" in ask(*asked_before, Message("user", "2x = 8")).text


def test_a_hard_question_is_not_worked_on_again_for_the_next(ask):
    turns = (Message("user", TOO_MUCH["a tower"]), Message("assistant", "No."))
    assert "did not understand" in ask(*turns, Message("user", "Who won the world cup?")).text
    assert ask(*turns, Message("user", "Why?")).text == TOO_HARD.full()


def test_the_answer_does_not_depend_on_what_was_asked_before():
    questions = ["integrate x*exp(x)*sin(x)", "x^3 + y^3 = 9, x^2*y = 2", "x^2 = 2"]
    orders, answers = (questions, questions[::-1]), []
    for order in orders:
        tutor = TutorProcess()
        said = {}
        for text in order:
            asked = pipe.Question(Conversation("", (Message("user", text),)), process_limits.CALLS)
            said[text] = tutor.ask(asked, process_limits.SECONDS).reply
        tutor.end()
        answers.append(said)
    assert answers[0] == answers[1]


PIECES = (
    *[
        "+",
        "-",
        "*",
        "/",
        "^",
        "(",
        ")",
        "=",
        "!",
        "%",
        "°",
        ",",
        ".",
        "?",
        "x",
        "y",
        "e",
        "i",
        "1",
        "9",
        "0.5",
        "1/3",
        "1/0",
        "²",
        "½",
        "٣",
    ],
    *("sin", "log", "sqrt(", "exp(", "pi", " and ", ", ", "x^2", "^60", "^(1/3)", "= 0", "\n"),
    *("integrate ", "derivative of ", "limit of ", " as x -> 0", " from 0 to infinity", "expand "),
    *("factor ", "simplify ", "solve ", " for x", "plot ", "table ", "quiz ", "those ", "why"),
)


@pytest.mark.parametrize("seed", range(2))
def test_no_mixture_of_pieces_ends_the_tutor(ask, seed):
    mix = random.Random(seed)
    for _ in range(20):
        text = "".join(mix.choices(PIECES, k=mix.randint(2, 20)))
        reply = ask(
            Message("user", "first 5 primes"),
            Message("assistant", "ok"),
            Message("user", text),
            tools=mix.choice([(), TOOLS]),
            format=mix.choice([None, JsonFormat()]),
        )
        assert reply.text or reply.calls, text
        if reply.text.startswith("{"):
            json.loads(reply.text)


def test_what_sympy_fails_on_is_declined_in_other_words(ask):
    reply = ask(Message("user", ODD["comparing what is not defined"]))
    assert reply.text == FAILED.full()
