"""agency-swarm 0.7, which is built on Assistants wholly, as in its documentation.

https://github.com/VRSEN/agency-swarm/tree/v0.7.2/docs
"""

from agency_swarm import Agency, Agent, BaseTool
from agency_swarm.tools import CodeInterpreter, FileSearch
from agency_swarm.util.streaming import AgencyEventHandler
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
from openai import OpenAI
from pydantic import BaseModel, Field


class display_quiz(BaseTool):
    """Display a quiz to the student, and return the student's responses."""

    title: str = Field(..., description="The title of the quiz.")
    questions: list[dict] = Field(..., description="The questions.")

    def run(self) -> str:
        return right_choices(self.questions)


def tutor(name: str, **settings) -> Agent:
    return Agent(name=name, description="Solves.", instructions=TUTOR, model=MODEL, **settings)


@example
def an_agency_of_one():
    agency = Agency([tutor("Solver")], shared_instructions="Be kind.")
    assert SOLUTION in agency.get_completion(EQUATION)


@example
def a_tool():
    agency = Agency([tutor("Quizzer", tools=[display_quiz])], temperature=0.5)
    messages = list(agency.get_completion(QUIZ, yield_messages=True))
    assert [message.msg_type for message in messages] == [
        "text",
        "function",
        "function_output",
        "text",
    ]
    assert GRADED in messages[-1].content


@example
def agents_that_talk_to_each_other():
    boss, solver = tutor("Boss"), tutor("Worker")
    agency = Agency([boss, [boss, solver]])
    said = agency.get_completion("Use SendMessage: solve 3x + 11 = 14.")
    assert SOLUTION in said
    thread = agency.agents_and_threads["Boss"]["Worker"]
    assert [message.role for message in thread.get_messages()] == ["assistant", "user"]


@example
def a_folder_of_files():
    write_document("files")
    write_table("files")
    agent = tutor("Librarian", files_folder="files")
    agency = Agency([agent])
    assert {FileSearch, CodeInterpreter} <= set(agent.tools)
    assert QUOTE in agency.get_completion(REFUND)
    assert MEAN_FOUND in agency.get_completion(MEAN)


@example
def the_second_start():
    """The settings of the first start are read from settings.json, and compared with the server's."""
    agent = tutor("Librarian", files_folder="files")
    agency = Agency([agent])
    assert QUOTE in agency.get_completion(REFUND)
    assert MEAN_FOUND in agency.get_completion(MEAN)
    again = tutor("Librarian", id=agent.id, files_folder="files")
    assert QUOTE in Agency([again]).get_completion(REFUND)


@example
def a_changed_agent():
    Agency([tutor("Changing")])
    changed = Agent(name="Changing", instructions="Be brief.", tools=[display_quiz], model=MODEL)
    agency = Agency([changed])
    assert changed.assistant.instructions.endswith("Be brief.")
    assert GRADED in agency.get_completion(QUIZ)


@example
def files_of_a_message():
    client = OpenAI()
    document = client.files.create(file=write_document(), purpose="assistants")
    agency = Agency([tutor("Reader", tools=[FileSearch, CodeInterpreter])])
    assert QUOTE in agency.get_completion(REFUND, message_files=[document.id])
    table = client.files.create(file=write_table(), purpose="assistants")
    attachments = [{"file_id": table.id, "tools": [{"type": "code_interpreter"}]}]
    assert MEAN_FOUND in agency.get_completion(MEAN, attachments=attachments)


@example
def streaming():
    pieces = []

    class Handler(AgencyEventHandler):
        def on_text_delta(self, delta, snapshot):
            pieces.append(delta.value)

        @classmethod
        def on_all_streams_end(cls):
            pieces.append("\n")

    agency = Agency([tutor("Streamer", tools=[display_quiz])])
    said = agency.get_completion_stream(EQUATION, event_handler=Handler)
    assert SOLUTION in said
    assert len(pieces) > 2
    assert "".join(pieces) == said + "\n"
    pieces.clear()
    assert "".join(pieces) == ""
    said = agency.get_completion_stream(QUIZ, event_handler=Handler)
    assert GRADED in said
    assert "".join(pieces) == said + "\n"


class Reasoning(BaseModel):
    steps: list[str]
    final_answer: str


@example
def structured_outputs():
    agency = Agency([tutor("Thinker")])
    parsed = agency.get_completion_parse("Solve 2x = 8.", response_format=Reasoning)
    assert "4" in parsed.final_answer
    shaped = Agency([tutor("Shaper", response_format=Reasoning)])
    assert "4" in Reasoning.model_validate_json(shaped.get_completion("Solve 2x = 8.")).final_answer


@example
def few_shot_examples():
    shots = [
        {"role": "user", "content": "Hi!"},
        {"role": "assistant", "content": "Hello! Which equation is it?"},
    ]
    agency = Agency([tutor("Shown", examples=shots)])
    assert SOLUTION in agency.get_completion(EQUATION)


@example
def limits_and_truncation():
    agent = tutor(
        "Limited",
        temperature=0.3,
        max_prompt_tokens=10_000,
        max_completion_tokens=1_000,
        truncation_strategy={"type": "last_messages", "last_messages": 10},
        metadata={"team": "maths"},
        parallel_tool_calls=False,
    )
    assert SOLUTION in Agency([agent]).get_completion(
        EQUATION, additional_instructions="Please be kind.", tool_choice="auto"
    )


@example
def a_reasoning_model():
    agent = Agent(name="Deep", instructions=TUTOR, model="o3-mini", reasoning_effort="low")
    agency = Agency([agent])
    assert agent.assistant.reasoning_effort == "low"
    assert SOLUTION in agency.get_completion(EQUATION)


@example
def a_validated_response():
    class Strict(Agent):
        tries = 0

        def response_validator(self, message: str) -> str:
            self.tries += 1
            if self.tries == 1:
                raise ValueError("Can you explain this to me?")
            return message

    agent = Strict(name="Strict", instructions=TUTOR, model=MODEL)
    Agency([agent]).get_completion(EQUATION)
    assert agent.tries == 2


@example
def threads_that_are_kept():
    kept = {}
    callbacks = {"load": lambda: kept, "save": kept.update}
    first = Agency([tutor("Keeper")], threads_callbacks=callbacks)
    first.get_completion("Solve 2x = 8.")
    second = Agency([tutor("Keeper")], threads_callbacks=callbacks)
    assert "2" in second.get_completion("Can you explain this to me?")
    assert second.main_thread.id == first.main_thread.id


@example
def an_agent_is_deleted_with_its_files():
    write_document("others")
    agent = tutor("Gone", files_folder="others")
    agency = Agency([agent])
    agency.delete()
    assert agent.id not in [each.id for each in OpenAI().beta.assistants.list(limit=100)]


play()
