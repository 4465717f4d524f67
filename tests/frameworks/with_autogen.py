"""AutoGen 0.2, as in the notebooks of its GPTAssistantAgent.

https://microsoft.github.io/autogen/0.2/docs/topics/openai-assistant/gpt_assistant_agent
"""

import os

from autogen import GroupChat, GroupChatManager, UserProxyAgent
from autogen.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent
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

CONFIG = {
    "config_list": [
        {
            "model": MODEL,
            "api_key": os.environ["OPENAI_API_KEY"],
            "base_url": os.environ["OPENAI_BASE_URL"],
        }
    ],
    "check_every_ms": 20,
}
QUIZ_TOOL = {
    "type": "function",
    "function": {
        "name": "display_quiz",
        "description": "Display a quiz to the student, and return the student's responses.",
        "parameters": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "questions": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["title", "questions"],
        },
    },
}


def display_quiz(title: str, questions: list[dict]) -> str:
    return right_choices(questions)


def user() -> UserProxyAgent:
    """Return the other side of a conversation: it says nothing by itself."""
    return UserProxyAgent(
        "user_proxy",
        code_execution_config=False,
        human_input_mode="NEVER",
        max_consecutive_auto_reply=0,
    )


def ask(agent: GPTAssistantAgent, question: str) -> str:
    return user().initiate_chat(agent, message=question).summary


@example
def two_agents():
    agent = GPTAssistantAgent("assistant", instructions=TUTOR, llm_config=CONFIG)
    assert SOLUTION in ask(agent, EQUATION)
    again = GPTAssistantAgent("assistant", instructions=TUTOR, llm_config=CONFIG)
    assert again.assistant_id == agent.assistant_id  # found by its name and instructions
    agent.delete_assistant()


@example
def a_conversation_is_one_thread():
    agent = GPTAssistantAgent("tutor", instructions=TUTOR, llm_config=CONFIG)
    proxy = user()
    proxy.initiate_chat(agent, message=EQUATION)
    proxy.send("Can you explain this to me?", agent, request_reply=True)
    assert "3x = 3" in proxy.last_message(agent)["content"]
    (thread,) = agent.oai_threads.values()
    agent.pretty_print_thread(thread)
    messages = agent.openai_client.beta.threads.messages.list(thread.id, order="asc").data
    assert [message.role for message in messages] == ["user", "assistant"] * 2
    agent.reset()
    assert agent.oai_threads == {}


@example
def the_code_interpreter():
    agent = GPTAssistantAgent(
        "Coder Assistant",
        instructions="Write and run code.",
        llm_config=CONFIG,
        assistant_config={"tools": [{"type": "code_interpreter"}]},
    )
    said = ask(agent, "Generate a plot of sin(x)")
    assert "Received file id=" in said
    file_id = said.partition("Received file id=")[2].split()[0]
    assert agent.openai_client.files.content(file_id).read().startswith(b"\x89PNG")


@example
def function_calls():
    agent = GPTAssistantAgent(
        "quizzer",
        instructions=TUTOR,
        llm_config=CONFIG,
        assistant_config={"tools": [QUIZ_TOOL]},
    )
    agent.register_function(function_map={"display_quiz": display_quiz})
    assert GRADED in ask(agent, QUIZ)


@example
def file_search_with_a_vector_store():
    client = GPTAssistantAgent("uploader", instructions=TUTOR, llm_config=CONFIG).openai_client
    file = client.files.create(file=write_document(), purpose="assistants")
    store = client.beta.vector_stores.create(name="terms", file_ids=[file.id])
    client.beta.vector_stores.files.poll(file.id, vector_store_id=store.id, poll_interval_ms=20)
    agent = GPTAssistantAgent(
        "searcher",
        instructions="Answer from the documents.",
        llm_config=CONFIG,
        assistant_config={
            "tools": [{"type": "file_search"}],
            "tool_resources": {"file_search": {"vector_store_ids": [store.id]}},
        },
    )
    assert QUOTE in ask(agent, REFUND)


@example
def files_of_version_1():
    client = GPTAssistantAgent("uploader", instructions=TUTOR, llm_config=CONFIG).openai_client
    document = client.files.create(file=write_document(), purpose="assistants")
    table = client.files.create(file=write_table(), purpose="assistants")
    searcher = GPTAssistantAgent(
        "retriever",
        instructions="Answer from the documents.",
        llm_config=CONFIG,
        assistant_config={"tools": [{"type": "retrieval"}], "file_ids": [document.id]},
    )
    assert QUOTE in ask(searcher, REFUND)
    coder = GPTAssistantAgent(
        "analyst",
        instructions="Write and run code.",
        llm_config=CONFIG,
        assistant_config={"tools": [{"type": "code_interpreter"}], "file_ids": [table.id]},
    )
    assert MEAN_FOUND in ask(coder, MEAN)


@example
def an_existing_assistant_gets_other_tools():
    first = GPTAssistantAgent("first", instructions="Be verbose.", llm_config=CONFIG)
    again = GPTAssistantAgent(
        "again",
        instructions=TUTOR,
        llm_config=CONFIG,
        assistant_config={"assistant_id": first.assistant_id, "tools": [QUIZ_TOOL]},
        overwrite_instructions=True,
        overwrite_tools=True,
    )
    again.register_function(function_map={"display_quiz": display_quiz})
    assert again.openai_assistant.instructions == TUTOR
    assert GRADED in ask(again, QUIZ)


@example
def a_group_chat():
    solver = GPTAssistantAgent("solver", instructions=TUTOR, llm_config=CONFIG)
    checker = GPTAssistantAgent("checker", instructions="Check it.", llm_config=CONFIG)
    proxy = user()
    chat = GroupChat(
        agents=[proxy, solver, checker],
        messages=[],
        max_round=3,
        speaker_selection_method="round_robin",
    )
    proxy.initiate_chat(GroupChatManager(groupchat=chat, llm_config=CONFIG), message=EQUATION)
    assert [message["name"] for message in chat.messages] == ["user_proxy", "solver", "checker"]
    assert SOLUTION in chat.messages[1]["content"]


play()
