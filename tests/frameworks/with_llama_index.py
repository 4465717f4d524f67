"""LlamaIndex's OpenAIAssistantAgent, as in its notebooks.

https://github.com/run-llama/llama_index/tree/main/docs/docs/examples/agent
"""

from examples import (
    EQUATION,
    GRADED,
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
)
from llama_index.agent.openai import OpenAIAssistantAgent
from llama_index.core.tools import FunctionTool


def display_quiz(title: str, questions: list[dict]) -> str:
    """Display a quiz to the student, and return the student's responses."""
    return right_choices(questions)


def tutor(**settings) -> OpenAIAssistantAgent:
    """Return the agent that the notebooks begin with."""
    return OpenAIAssistantAgent.from_new(
        name="Math Tutor",
        instructions=TUTOR,
        instructions_prefix="Please address the user as Jane Doe. The user has a premium account.",
        model=MODEL,
        run_retrieve_sleep_time=0.02,
        **settings,
    )


@example
def a_simple_agent():
    agent = tutor(openai_tools=[{"type": "code_interpreter"}])
    response = str(agent.chat(EQUATION))
    assert SOLUTION in response
    assert "Jane Doe" in response


@example
async def a_simple_agent_with_asyncio():
    assert SOLUTION in str(await tutor().achat(EQUATION))


@example
def files_uploaded_for_a_message():
    agent = tutor(openai_tools=[{"type": "file_search"}], temperature=0.2, top_p=0.9)
    files = agent.upload_files([write_document()])
    agent.add_message(REFUND, file_ids=list(files))
    agent.run_assistant()
    assert QUOTE in agent.latest_message.content
    thread_message = agent.latest_message.additional_kwargs["thread_message"]
    assert thread_message.content[0].text.annotations[0].file_citation.file_id in files


@example
def files_at_the_start():
    path = write_document()
    agent = tutor(openai_tools=[{"type": "file_search"}], files=[path])
    assert list(agent.files_dict.values()) == [path]
    agent.add_message(REFUND, file_ids=list(agent.files_dict))
    agent.run_assistant()
    assert QUOTE in agent.latest_message.content


@example
def function_tools():
    agent = tutor(tools=[FunctionTool.from_defaults(fn=display_quiz)], verbose=True)
    response = agent.chat(QUIZ)
    assert GRADED in str(response)
    assert [source.tool_name for source in response.sources] == ["display_quiz"]


@example
async def function_tools_with_asyncio():
    agent = tutor(tools=[FunctionTool.from_defaults(fn=display_quiz)])
    assert GRADED in str(await agent.achat(QUIZ))


@example
def an_existing_agent_and_its_history():
    first = tutor()
    first.chat(EQUATION)
    again = OpenAIAssistantAgent.from_existing(
        first.assistant.id, thread_id=first.thread_id, instructions_prefix=TUTOR
    )
    again.chat("Solve 2x = 8.")
    history = [(str(message.role.value), message.content) for message in again.chat_history]
    assert [role for role, _ in history] == ["user", "assistant"] * 2
    assert "x = 4" in history[-1][1]
    again.reset()
    assert again.chat_history == []


play()
