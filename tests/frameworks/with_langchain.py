"""LangChain 0.3, as in the documentation of OpenAIAssistantRunnable and OpenAIAssistantV2Runnable.

https://python.langchain.com/v0.1/docs/modules/agents/agent_types/openai_assistants/
"""

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
from langchain.agents import AgentExecutor
from langchain.agents.openai_assistant import OpenAIAssistantRunnable
from langchain_community.agents.openai_assistant import OpenAIAssistantV2Runnable
from langchain_core.agents import AgentFinish
from langchain_core.tools import tool
from openai import OpenAI

QUICK = {"check_every_ms": 20}


@tool
def display_quiz(title: str, questions: list[dict]) -> str:
    """Display a quiz to the student, and return the student's responses."""
    return right_choices(questions)


@example
def only_openai_tools():
    assistant = OpenAIAssistantRunnable.create_assistant(
        name="langchain assistant",
        instructions="You are a personal math tutor. Write and run code to answer math questions.",
        tools=[{"type": "code_interpreter"}],
        model=MODEL,
        **QUICK,
    )
    (message,) = assistant.invoke({"content": "What are the first 10 Fibonacci numbers?"})
    assert message.assistant_id == assistant.assistant_id
    assert "34" in message.content[0].text.value


@example
def an_agent_with_any_tools():
    agent = OpenAIAssistantRunnable.create_assistant(
        name="langchain assistant tools",
        instructions=TUTOR,
        tools=[display_quiz],
        model=MODEL,
        as_agent=True,
        **QUICK,
    )
    executor = AgentExecutor(agent=agent, tools=[display_quiz])
    assert GRADED in executor.invoke({"content": QUIZ})["output"]


def execute(agent, input: dict) -> AgentFinish:
    """Run the agent's tools until it has finished, as the documentation does it by hand."""
    response = agent.invoke(input)
    while not isinstance(response, AgentFinish):
        outputs = [
            {"output": display_quiz.invoke(each.tool_input), "tool_call_id": each.tool_call_id}
            for each in response
        ]
        last = response[-1]
        response = agent.invoke(
            {"tool_outputs": outputs, "run_id": last.run_id, "thread_id": last.thread_id}
        )
    return response


@example
def custom_execution_and_an_existing_thread():
    agent = OpenAIAssistantRunnable.create_assistant(
        name="langchain assistant tools",
        instructions=TUTOR,
        tools=[display_quiz],
        model=MODEL,
        as_agent=True,
        **QUICK,
    )
    response = execute(agent, {"content": QUIZ})
    assert GRADED in response.return_values["output"]
    again = execute(agent, {"content": EQUATION, "thread_id": response.thread_id})
    assert SOLUTION in again.return_values["output"]
    assert again.thread_id == response.thread_id


@example
def an_existing_assistant():
    assistant = OpenAI().beta.assistants.create(model=MODEL, instructions=TUTOR)
    agent = OpenAIAssistantRunnable(assistant_id=assistant.id, as_agent=True, **QUICK)
    settings = {"max_completion_tokens": 1_000, "temperature": 0.5, "parallel_tool_calls": False}
    output = agent.invoke({"content": EQUATION, "thread_metadata": {"user": "ana"}, **settings})
    assert SOLUTION in output.return_values["output"]
    assert OpenAI().beta.threads.retrieve(output.thread_id).metadata == {"user": "ana"}


@example
def version_2_with_a_vector_store():
    client = OpenAI()
    store = client.vector_stores.create(name="terms")
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=[write_document()])
    assert batch.file_counts.completed == 1
    assistant = OpenAIAssistantV2Runnable.create_assistant(
        name="documents",
        instructions="Answer from the documents.",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
        model=MODEL,
        model_kwargs={"temperature": 0.1},
        **QUICK,
    )
    (message,) = assistant.invoke({"content": REFUND})
    assert QUOTE in message.content[0].text.value
    assert message.content[0].text.annotations[0].type == "file_citation"


@example
def version_2_with_attachments():
    file = OpenAI().files.create(file=write_table(), purpose="assistants")
    assistant = OpenAIAssistantV2Runnable.create_assistant(
        name="analyst",
        instructions="Write and run code.",
        tools=[{"type": "code_interpreter"}],
        model=MODEL,
        **QUICK,
    )
    attachments = [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]
    (message,) = assistant.invoke({"content": MEAN}, attachments=attachments)
    assert MEAN_FOUND in message.content[0].text.value
    (again,) = assistant.invoke({"content": MEAN, "thread_id": message.thread_id})
    assert again.content[0].text.value == message.content[0].text.value


@example
def version_2_with_file_ids():
    document = OpenAI().files.create(file=write_document(), purpose="assistants")
    assistant = OpenAIAssistantV2Runnable.create_assistant(
        name="documents",
        instructions="Answer from the documents.",
        tools=[{"type": "file_search"}, {"type": "code_interpreter"}],
        model=MODEL,
        **QUICK,
    )
    (message,) = assistant.invoke({"content": REFUND}, file_ids=[document.id])
    assert QUOTE in message.content[0].text.value


@example
async def version_2_with_asyncio():
    agent = await OpenAIAssistantV2Runnable.acreate_assistant(
        name="tutor", instructions=TUTOR, tools=[display_quiz], model=MODEL, as_agent=True, **QUICK
    )
    executor = AgentExecutor(agent=agent, tools=[display_quiz])
    assert GRADED in (await executor.ainvoke({"content": QUIZ}))["output"]


@example
def a_stream_of_the_agents_steps():
    agent = OpenAIAssistantV2Runnable.create_assistant(
        name="tutor", instructions=TUTOR, tools=[display_quiz], model=MODEL, as_agent=True, **QUICK
    )
    executor = AgentExecutor(agent=agent, tools=[display_quiz], stream_runnable=False)
    chunks = list(executor.stream({"content": QUIZ}))
    assert [next(iter(chunk)) for chunk in chunks] == ["actions", "steps", "output"]
    stored = OpenAI().beta.threads.messages.list(chunks[-1]["thread_id"], limit=1).data[0]
    assert chunks[-1]["output"] == stored.content[0].text.value


play()
