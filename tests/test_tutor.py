"""The tutor computes: a changed question gets its own right answer."""

import json
import random
import re
import string
from dataclasses import replace

import pytest
import sympy

from assistants_server.tutor import Conversation, JsonFormat, Message, Tool, ToolCall
from assistants_server.tutor.answering import answer
from assistants_server.tutor.topics import topics

BRIEF = "You are a personal math tutor. Answer questions briefly, in a sentence or less."


def say(*questions: str, instructions: str = BRIEF, **settings: object) -> str:
    """Return the answer to the last of these questions, asked one after the other."""
    turns: list[Message] = []
    for question in questions:
        turns.append(Message("user", question))
        reply = answer(Conversation(instructions, tuple(turns), **settings))
        turns.append(Message("assistant", reply.text))
    return reply.text


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("I need to solve the equation `3x + 11 = 14`. Can you help me?", "x = 1:"),
        ("Solve x^2 - 5x + 6 = 0", "x = 2 or x = 3"),
        ("x² = 2", "x = -√2 ≈ -1.414214 or x = √2 ≈ 1.414214"),
        ("what is x if 4x=20?", "x = 5"),
        ("5 = 2x - 7", "x = 6"),
        ("x/2 + 3 = 7", "x = 8"),
        ("0.5x = 3", "x = 6"),
        ("3 times x plus 2 equals 11", "x = 3"),
        ("−2x − 4 = 10", "x = -7"),
        ("2(x + 3) = 10", "x = 2"),
        ("a 3x = 9", "x = 3"),
        ("ax + b = c, solve for x", "x = (-b + c)/a"),
        ("Solve for y: 2x + 3y = 12", "y = 4 - 2x/3"),
        ("2x + 1 = 2x", "true for no x"),
        ("2x + 2 = 2(x + 1)", "true for every x"),
        ("solve x^2 + x + 1 = 0", "no real solution"),
        ("x^3 - 6x^2 + 11x - 6 = 0", "x = 1, x = 2 or x = 3"),
        ("x^5 - x + 1 = 0", "x = -1.167304 (rounded)"),
        ("e^x = 5", "x = ln(5) ≈ 1.609438"),
        ("abs(x - 1) = 3", "x = -2 or x = 4"),
        ("2x + y = 5 and x - y = 1", "x = 2 and y = 1"),
        ("x + y = 10, x * y = 21", "x = 3 and y = 7; or x = 7 and y = 3"),
        ("x + y = 1 and x + y = 2", "no solution"),
        ("Is 7*8=56?", "is true"),
        ("What is 2 + 2?", "2 + 2 = 4."),
        ("15% of 80", "= 12."),
        ("What is 3/4 + 1/8?", "= 7/8 = 0.875"),
        ("square root of 144", "= 12."),
        ("What's 12 squared plus 5?", "= 149"),
        ("What is sin 30°?", "= 1/2 = 0.5"),
        ("What is 1/0?", "not defined"),
        ("What is 1,000 * 3?", "= 3000"),
        ("What is 2^100?", "1267650600228229401496703205376"),
        ("What's the derivative of x^3?", "is 3x²"),
        ("second derivative of x^4", "is 12x²"),
        ("derivative of f(t) = t^2", "is 2t"),
        ("integrate x^2 from 0 to 1", "is 1/3"),
        ("integral of 1/x", "ln(x) + C"),
        ("integrate cos(x) from 0 to pi/2", "from 0 to π/2 is 1:"),
        ("What is the limit of sin(x)/x as x -> 0?", "is 1."),
        ("factor x^2 - 9", "(x - 3)(x + 3)"),
        ("expand (x+1)^3", "x³ + 3x² + 3x + 1"),
        ("simplify (x^2-1)/(x-1)", "x + 1"),
        ("factor 360", "2³ · 3² · 5"),
        ("count from 3 to 6", "3, 4, 5, 6."),
        ("Could you explain linear algebra to me?", "Linear algebra studies vectors"),
        ("What is Bayes’ theorem?", "probability of the cause given the evidence"),
        ("I don't like math. What can I do?", "one step at a time"),
        ("Thank you!", "welcome"),
        ("Hello", "Hello!"),
    ],
)
def test_answers(question, part):
    assert part in say(question)


def test_random_linear_equations():
    numbers = random.Random(2026)
    for _ in range(100):
        a, b, c, d = (numbers.randint(-30, 30) for _ in range(4))
        if a == c:
            continue
        solution = sympy.Rational(d - b, a - c)
        assert f"x = {solution}" in say(f"Please solve {a}x + {b} = {c}x + {d} for me.")


def test_random_systems():
    numbers = random.Random(2026)
    for _ in range(20):
        x, y = numbers.randint(-9, 9), numbers.randint(-9, 9)
        question = f"Solve 2x + 3y = {2 * x + 3 * y} and 5x - y = {5 * x - y}"
        assert f"x = {x} and y = {y}" in say(question)


@pytest.mark.parametrize(
    "question",
    [
        "Who won the world cup?",
        "I have 3 apples and 4 pears. How many?",
        "What is the weather on 2026-08-26?",
        "x-axis",
        "Write a poem about bees.",
        "",
        "????",
        "solve x^2 < 4",
        "sinh(x) = 1",
    ],
)
def test_what_it_does_not_understand_it_says(question):
    reply = say(question)
    assert "offline tutor, a script and not a language model" in reply
    assert "OPENAI_API_KEY" in reply


def test_follow_ups_are_about_what_came_before():
    explained = say("Solve 3x + 11 = 14", "Could you explain this to me?")
    assert explained.startswith("Subtract 11 from both sides to get 3x = 3")
    assert say("Solve 2x = 8", "Thanks, but why?").startswith("Divide both sides by 2")
    assert say("Solve 2x = 8", "Are you sure?") == "Yes: with x = 4 both sides are 8."
    assert "row of the matrix" in say("What is a matrix?", "Tell me more")


def test_a_sentence_or_less_is_one_sentence():
    for question in ("Solve 3x + 11 = 14", "Explain linear algebra to me", "2x + y = 5, x = y"):
        reply = say(question)
        assert reply.count("\n") == 0
        assert len(re.findall(r"[.!?](?:\s|$)", reply)) == 1, reply


def test_every_step_is_shown_otherwise():
    reply = say("Solve 4(x - 3) = 2x + 8", instructions="")
    assert reply.splitlines() == [
        "4(x - 3) = 2x + 8 gives x = 10.",
        "1. Multiply out the brackets: 4x - 12 = 2x + 8",
        "2. Subtract 2x from both sides: 2x - 12 = 8",
        "3. Add 12 to both sides: 2x = 20",
        "4. Divide both sides by 2: x = 10",
        "With x = 10 both sides are 28.",
    ]


def test_it_calls_people_by_the_name_it_is_told():
    reply = say("2 + 2?", instructions="Please address the user as Jane Doe. She has premium.")
    assert reply == "Jane Doe: 2 + 2 = 4."


def concluded(output: str, schema: object, question: str = "Primes, with code", times: int = 1):
    """Return what the tutor writes in JSON when calls have had that output."""
    calls = [ToolCall("look_up", "{}", output)] * times
    turns = (Message("user", question), *calls)
    return json.loads(answer(Conversation("", turns, format=JsonFormat(schema))).text)


def fields(**types: str) -> dict:
    return {"type": "object", "properties": {name: {"type": types[name]} for name in types}}


def test_a_format_is_kept_after_a_call():
    assert concluded("[2, 3]", None) == {
        "answer": "look_up answered: [2, 3]",
        "value": [2, 3],
        "steps": [],
    }
    assert concluded("warm", fields(report="string")) == {"report": "look_up answered: warm"}


def test_fields_have_what_the_output_says_of_them():
    output = '{"city": "Oslo", "degrees": 4, "sunny": false, "unit": "C", "days": ["Mon", "Tue"]}'
    schema = fields(city="string", degrees="number", sunny="boolean", unit="string")
    schema["properties"]["unit"]["enum"] = ["F", "C"]
    schema["properties"]["days"] = {"type": "array", "items": {"type": "string"}}
    assert concluded(output, schema) == json.loads(output)
    assert concluded(output, schema, times=2) == json.loads(output)


def test_a_list_has_an_item_for_each_value_of_the_output():
    numbers = {"type": "array", "items": {"type": "integer"}}
    assert concluded("[2, 3, 5]", {"type": "object", "properties": {"numbers": numbers}}) == {
        "numbers": [2, 3, 5]
    }
    rows = {"type": "array", "items": fields(a="integer")}
    assert concluded('[{"a": 1}, {"a": 2}]', rows) == [{"a": 1}, {"a": 2}]


def test_a_field_of_another_type_is_not_copied():
    assert concluded('{"degrees": "four", "city": 5}', fields(degrees="number", city="string")) == {
        "degrees": 0.0,
        "city": 'look_up answered: {"degrees": "four", "city": 5}',
    }


def test_every_topic_is_found_by_each_of_its_names():
    assert len({topic.name for topic in topics().values()}) > 36
    for name, topic in topics().items():
        assert say(f"Please explain {name} to me.") == f"{topic.gist}.", name


@pytest.mark.parametrize(
    "question",
    [
        "What is 9^9^9^9?",
        "What is 100000!?",
        "integrate sin(x)^10 * exp(x^2) * log(x)",
        "expand (x + y + z)^1000",
        "(" * 500,
        "x = " + "(" * 150 + "1" + ")" * 150,
        "1" * 100_000 + " + 1 = x",
        "x^" * 90 + "2 = 1",
        "+ " * 199,
    ],
)
def test_nothing_takes_it_too_long(question):
    assert say(question)  # the bound is on calls, so a hang here would fail on any machine


def test_no_text_makes_it_fail():
    letters = random.Random(7)
    alphabet = string.printable + "²√π×÷−≈∫°%αé☃" + "x=+-*/^()" * 6
    for _ in range(400):
        assert say("".join(letters.choices(alphabet, k=letters.randint(0, 40))))


TOOLS = (Tool("code_interpreter"), Tool("display_quiz"))


def test_no_text_makes_it_fail_with_tools_either():
    letters = random.Random(8)
    words = "quiz plot table csv file primes fibonacci factorial of the first 99 x^2 9^9^9^9 sum"
    words += " those ```python\nprint(1)\n``` from 1 to 5 multiple choice two broken json -"
    for _ in range(300):
        question = " ".join(letters.choices(words.split(" "), k=letters.randint(1, 12)))
        conversation = Conversation("", (Message("user", question),), tools=TOOLS)
        reply = answer(conversation)
        assert reply.text or reply.calls
        for call in reply.calls:
            done = replace(call, output="[1, 2]")
            again = replace(conversation, turns=(*conversation.turns, done))
            assert answer(again).text


SEND = Tool(
    "SendMessage",
    {
        "properties": {
            "to": {"enum": ["Ana", "Ben"]},
            "message": {"type": "string"},
            "files": {"anyOf": [{"type": "array"}, {"type": "null"}], "default": None},
        }
    },
)


def test_a_function_is_called_by_its_name_with_what_has_no_default():
    question = (Message("user", "Use SendMessage: what is 6 * 7?"),)
    (call,) = answer(Conversation("", question, tools=(*TOOLS, SEND))).calls
    assert call.name == "SendMessage"
    arguments = json.loads(call.arguments)
    assert set(arguments) == {"to", "message"}
    assert "42" in arguments["message"]
    assert not answer(Conversation("", question, tools=(SEND,), choice="none")).calls
    assert not answer(Conversation("", (Message("user", "Send 6 * 7"),), tools=(SEND,))).calls


def test_the_code_it_writes_is_python():
    for question in (
        "Plot x^3 - 2x, sin(2x)^2 and e^x from -1 to 1",
        "A table of 1/x and sqrt(x) for x from 1 to 4",
        "The first 12 factorials",
    ):
        reply = answer(Conversation("", (Message("user", question),), tools=TOOLS))
        compile(json.loads(reply.calls[0].arguments)["code"], "code", "exec")


def test_the_same_question_has_the_same_answer():
    questions = ["x^2 + y^2 = 25, x + y = 7", "x^4 - 5x^2 + 4 = 0", "integrate x*exp(x)"]
    assert [say(q) for q in questions] == [say(q) for q in questions]


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').mkdir('{path}')",
        "open('{path}', 'w')",
        "(lambda: open('{path}', 'w'))()",
        "x.__class__.__base__.__subclasses__()",
    ],
)
@pytest.mark.parametrize("task", ["Solve {}", "Solve {} = 0", "What is {}?", "integrate {}", "{}"])
def test_a_message_is_never_executed(attack, task, tmp_path):
    path = tmp_path / "made"
    answer = say(task.format(attack.format(path=path)))
    assert not path.exists()
    assert "<class" not in answer
