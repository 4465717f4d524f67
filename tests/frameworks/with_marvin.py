"""Marvin 2.3, as in the chapter on assistants of its documentation.

https://github.com/PrefectHQ/marvin/blob/2.x/docs/docs/interactive/assistants.md
"""

# ruff: noqa: E402
import tiktoken

# Marvin reads a table of tokens when it is imported, which tiktoken downloads. It counts with it for
# chat completions only, so that bytes will do.
BYTES = {bytes([each]): each for each in range(256)}
tiktoken.encoding_for_model = lambda _: tiktoken.Encoding(
    "bytes", pat_str=r"[\s\S]+", mergeable_ranks=BYTES, special_tokens={}
)

import marvin
from examples import (
    EQUATION,
    GRADED,
    MEAN,
    MEAN_FOUND,
    MODEL,
    QUIZ,
    QUOTE,
    REFUND,
    SOLUTION,
    TUTOR,
    example,
    play,
    right_choices,
    write_document,
    write_table,
)
from marvin.beta.assistants import (
    Assistant,
    CodeInterpreter,
    EndRun,
    FileSearch,
    PrintHandler,
    Run,
    Thread,
    pprint_messages,
)

marvin.settings.openai.assistants.model = MODEL


def said(run: Run) -> str:
    """Return the last message of a run."""
    return run.messages[-1].content[0].text.value


def display_quiz(title: str, questions: list[dict]) -> str:
    """Display a quiz to the student, and return the student's responses."""
    return right_choices(questions)


@example
def the_quickstart():
    ai = Assistant(name="Marvin", instructions=TUTOR)
    response = ai.say(EQUATION)
    pprint_messages(response.messages)
    assert SOLUTION in said(response)
    assert ai.id is None  # it was there for this call only


@example
def the_code_interpreter():
    ai = Assistant(name="Marvin", tools=[CodeInterpreter])
    # Without its own handler, which cannot print a path below "/": rich takes it for a closing tag.
    response = ai.say("Generate a plot of sin(x)", event_handler_class=None)
    pprint_messages(response.messages)  # downloads the figure
    assert "image_file" in [part.type for part in response.messages[-1].content]
    assert response.steps[0].step_details.tool_calls[0].type == "code_interpreter"


@example
def custom_tools():
    ai = Assistant(name="Marvin", tools=[display_quiz])
    assert GRADED in said(ai.say(QUIZ))


@example
def an_async_tool():
    async def secret_message():
        """Return the secret message."""
        return "The answer is 42"

    ai = Assistant(name="Marvin", tools=[secret_message])
    assert "42" in said(ai.say("What does secret_message say?"))


@example
def a_tool_that_is_demanded():
    def answer(number: int) -> str:
        """Take an answer."""
        return f"taken: {number}"

    ai = Assistant(name="Marvin", tools=[answer])
    assert "taken: 42" in said(ai.say("What is 6 * 7?", tool_choice="required"))


@example
def a_tool_that_ends_the_run():
    def leave():
        """Leave."""
        raise EndRun(data="left")

    run = Assistant(name="Marvin", tools=[leave]).say("Please leave.")
    assert (run.data, run.run.status) == ("left", "cancelled")


@example
def a_life_in_a_context():
    with Assistant(name="Marvin", instructions=TUTOR) as ai:
        first = ai.id
        assert SOLUTION in said(ai.say(EQUATION))
        assert "Thanks" not in said(ai.say("Thanks!"))
        assert first == ai.id
    assert ai.id is None


@example
async def the_async_api():
    async with Assistant(name="Marvin", instructions=TUTOR) as ai:
        assert SOLUTION in said(await ai.say_async(EQUATION))


@example
def created_loaded_and_deleted():
    ai = Assistant(name="Marvin", instructions=TUTOR, tools=[display_quiz])
    ai.create()
    loaded = Assistant.load(ai.id, tools=[display_quiz])
    assert (loaded.name, loaded.instructions) == ("Marvin", TUTOR)
    assert GRADED in said(loaded.say(QUIZ))
    ai.delete()


@example
def a_thread_of_its_own():
    thread = Thread()
    thread.add("Solve 2x = 8.")
    assert [message.role for message in thread.get_messages()] == ["user"]
    ai = Assistant(name="Marvin", instructions=TUTOR)
    run = thread.run(assistant=ai)
    assert "x = 4" in said(run)
    thread.add("Can you explain this to me?")
    thread.run(assistant=ai, additional_instructions="Please address the user as Jane Doe.")
    messages = thread.get_messages()
    assert [message.role for message in messages] == ["user", "assistant"] * 2
    assert "Jane Doe" in messages[-1].content[0].text.value
    before = thread.get_messages(limit=1, before_message=messages[-1].id)
    assert [message.id for message in before] == [messages[-2].id]


@example
def files_to_search():
    ai = Assistant(name="Marvin", tools=[FileSearch])
    response = ai.say(REFUND, file_search_files=[write_document()])
    assert QUOTE in said(response)
    assert response.messages[-1].content[0].text.annotations[0].type == "file_citation"


@example
def files_for_the_code_interpreter():
    ai = Assistant(name="Marvin", tools=[CodeInterpreter])
    response = ai.say(MEAN, code_interpreter_files=[write_table()])
    assert MEAN_FOUND in said(response)
    assert response.steps[0].step_details.tool_calls[0].type == "code_interpreter"


@example
def streaming_with_a_handler():
    pieces = []

    class Handler(PrintHandler):
        async def on_text_delta(self, delta, snapshot):
            pieces.append(delta.value)

    ai = Assistant(name="Marvin", instructions=TUTOR)
    run = ai.say(EQUATION, event_handler_class=Handler)
    assert len(pieces) > 1
    assert (
        "".join(pieces) == said(run) == ai.default_thread.get_messages()[-1].content[0].text.value
    )


play()
