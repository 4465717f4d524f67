"""Semantic Kernel 1.34, as in its samples of the OpenAIAssistantAgent.

https://github.com/microsoft/semantic-kernel/tree/main/python/samples/getting_started_with_agents
"""

from examples import (
    EQUATION,
    MEAN,
    MEAN_FOUND,
    MODEL,
    QUOTE,
    REFUND,
    SOLUTION,
    TUTOR,
    example,
    play,
    write_document,
    write_table,
)
from openai import AsyncOpenAI
from pydantic import BaseModel
from semantic_kernel.agents import (
    AgentGroupChat,
    AgentRegistry,
    AssistantAgentThread,
    OpenAIAssistantAgent,
)
from semantic_kernel.contents import (
    AuthorRole,
    ChatMessageContent,
    FileReferenceContent,
    StreamingAnnotationContent,
    StreamingFileReferenceContent,
    TextContent,
)
from semantic_kernel.functions import KernelArguments, kernel_function


class MenuPlugin:
    """A menu, as in the samples."""

    @kernel_function(description="Provides a list of specials from the menu.")
    def get_specials(self) -> str:
        return "Special Soup: Clam Chowder"


SPECIALS = "What does MenuPlugin-get_specials list?"


async def agent_of(client: AsyncOpenAI, plugins=(), **settings) -> OpenAIAssistantAgent:
    """Return an agent on a new assistant."""
    settings = {"name": "Host", "instructions": TUTOR, **settings}
    definition = await client.beta.assistants.create(model=MODEL, **settings)
    return OpenAIAssistantAgent(client=client, definition=definition, plugins=list(plugins))


async def streamed(agent: OpenAIAssistantAgent, question: str) -> tuple[str, str, list]:
    """Return what a stream said, what was stored in its thread, and the items of the stream."""
    thread, said, items = None, "", []
    async for response in agent.invoke_stream(messages=question, thread=thread):
        thread = response.thread
        said += "" if response.metadata.get("code") else str(response.content)
        items += response.items
    messages = [message async for message in thread.get_messages()]
    return said, messages[0].content, items


@example
async def a_conversation():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    agent, thread = await agent_of(client), None
    for question, answer in ((EQUATION, SOLUTION), ("Can you explain this to me?", "3x = 3")):
        response = await agent.get_response(messages=question, thread=thread)
        thread = response.thread
        assert answer in str(response)
    roles = [message.role async for message in thread.get_messages(sort_order="asc")]
    assert roles == [AuthorRole.USER, AuthorRole.ASSISTANT] * 2
    await thread.delete()
    await client.beta.assistants.delete(agent.id)


@example
async def a_plugin():
    agent = await agent_of(
        OpenAIAssistantAgent.create_client(ai_model_id=MODEL), plugins=[MenuPlugin()]
    )
    calls = []

    async def note(message: ChatMessageContent) -> None:
        calls.extend(type(item).__name__ for item in message.items)

    async for response in agent.invoke(messages=SPECIALS, on_intermediate_message=note):
        assert "Clam Chowder" in str(response)
    assert calls == ["FunctionCallContent", "FunctionResultContent"]


@example
async def streaming():
    agent = await agent_of(OpenAIAssistantAgent.create_client(ai_model_id=MODEL))
    said, stored, items = await streamed(agent, EQUATION)
    assert len(items) > 1
    assert SOLUTION in said
    assert said == stored


@example
async def streaming_with_a_plugin():
    agent = await agent_of(
        OpenAIAssistantAgent.create_client(ai_model_id=MODEL), plugins=[MenuPlugin()]
    )
    said, stored, _ = await streamed(agent, SPECIALS)
    assert "Clam Chowder" in said
    assert said == stored


@example
async def the_code_interpreter():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    tools, resources = OpenAIAssistantAgent.configure_code_interpreter_tool()
    agent = await agent_of(client, tools=tools, tool_resources=resources)
    parts = [
        each async for each in agent.invoke(messages="What are the first 10 Fibonacci numbers?")
    ]
    assert parts[0].metadata["code"] is True
    assert "34" in str(parts[-1])


@example
async def streaming_the_code_interpreter():
    tools, resources = OpenAIAssistantAgent.configure_code_interpreter_tool()
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    agent = await agent_of(client, tools=tools, tool_resources=resources)
    said, stored, items = await streamed(agent, "What are the first 10 Fibonacci numbers?")
    assert any("print(" in str(item) for item in items)
    assert "34" in stored
    assert said.endswith(stored)  # what the code printed comes before, as in the samples


@example
async def files_for_the_code_interpreter():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    file = await client.files.create(file=write_table(), purpose="assistants")
    tools, resources = OpenAIAssistantAgent.configure_code_interpreter_tool(file_ids=file.id)
    agent = await agent_of(client, tools=tools, tool_resources=resources)
    assert MEAN_FOUND in str(await agent.get_response(messages=MEAN))
    await client.files.delete(file.id)


@example
async def a_chart():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    tools, resources = OpenAIAssistantAgent.configure_code_interpreter_tool()
    agent = await agent_of(client, tools=tools, tool_resources=resources)
    files = [
        item.file_id
        async for response in agent.invoke(messages="Generate a plot of sin(x)")
        for item in response.items
        if isinstance(item, FileReferenceContent)
    ]
    assert (await client.files.content(files[0])).read().startswith(b"\x89PNG")
    _, _, items = await streamed(agent, "Generate a plot of cos(x)")
    assert any(isinstance(item, StreamingFileReferenceContent) for item in items)


@example
async def file_search():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    file = await client.files.create(file=write_document(), purpose="assistants")
    store = await client.vector_stores.create(name="step4_assistant", file_ids=[file.id])
    await client.vector_stores.files.poll(file.id, vector_store_id=store.id, poll_interval_ms=20)
    tools, resources = OpenAIAssistantAgent.configure_file_search_tool(vector_store_ids=store.id)
    agent = await agent_of(client, tools=tools, tool_resources=resources)
    response = await agent.get_response(messages=REFUND)
    assert QUOTE in str(response)
    said, stored, items = await streamed(agent, REFUND)
    assert said == stored
    cited = [item.file_id for item in items if isinstance(item, StreamingAnnotationContent)]
    assert file.id in cited
    await client.vector_stores.delete(store.id)
    await client.files.delete(file.id)


@example
async def a_file_in_a_message():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    file = await client.files.create(file=write_document(), purpose="assistants")
    agent = await agent_of(client, tools=[{"type": "file_search"}])
    thread = AssistantAgentThread(
        client=client,
        messages=[
            {
                "role": "user",
                "content": REFUND,
                "attachments": [{"file_id": file.id, "tools": [{"type": "file_search"}]}],
            }
        ],
        metadata={"user": "ana"},
    )
    assert QUOTE in str(await agent.get_response(messages="Please.", thread=thread))


class Step(BaseModel):
    explanation: str
    output: str


class Reasoning(BaseModel):
    steps: list[Step]
    final_answer: str


@example
async def structured_outputs():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    wanted = OpenAIAssistantAgent.configure_response_format(Reasoning)
    agent = await agent_of(client, response_format=wanted)
    response = await agent.get_response(messages="Solve 8x + 7 = -23.")
    reasoning = Reasoning.model_validate_json(str(response.message.content))
    assert "-15/4" in reasoning.final_answer


@example
async def templated_instructions():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    definition = await client.beta.assistants.create(
        model=MODEL, name="Tutor", instructions="Please address the user as {{$name}}."
    )
    agent = OpenAIAssistantAgent(
        client=client, definition=definition, arguments=KernelArguments(name="Jane Doe")
    )
    response = await agent.get_response(messages=EQUATION)
    assert "Jane Doe" in str(response)


@example
async def settings_of_a_run():
    agent = await agent_of(OpenAIAssistantAgent.create_client(ai_model_id=MODEL))
    response = await agent.get_response(
        messages=EQUATION,
        additional_instructions="Please address the user as Jane Doe.",
        additional_messages=[
            ChatMessageContent(role=AuthorRole.USER, items=[TextContent(text="Be kind.")])
        ],
        max_completion_tokens=1_000,
        max_prompt_tokens=1_000,
        metadata={"user": "ana"},
        temperature=0.5,
        top_p=0.5,
        truncation_strategy={"type": "last_messages", "last_messages": 5},
        parallel_tool_calls=False,
    )
    assert SOLUTION in str(response)
    assert "Jane Doe" in str(response)


@example
async def an_existing_assistant():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    first = await agent_of(client, metadata={"made": "before"})
    definition = await client.beta.assistants.retrieve(first.id)
    agent = OpenAIAssistantAgent(client=client, definition=definition)
    assert agent.definition.metadata == {"made": "before"}
    assert SOLUTION in str(await agent.get_response(messages=EQUATION))


@example
async def an_agent_from_a_declaration():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    file = await client.files.create(file=write_table(), purpose="assistants")
    declaration = f"""
type: openai_assistant
name: CodeInterpreterAgent
instructions: Write and run code.
model:
  id: {MODEL}
tools:
  - type: code_interpreter
    options:
      file_ids:
        - {file.id}
"""
    agent = await AgentRegistry.create_from_yaml(declaration, client=client)
    assert MEAN_FOUND in str(await agent.get_response(messages=MEAN))


@example
async def a_group_chat():
    client = OpenAIAssistantAgent.create_client(ai_model_id=MODEL)
    solver, checker = await agent_of(client, name="Solver"), await agent_of(client, name="Checker")
    chat = AgentGroupChat(agents=[solver, checker])
    await chat.add_chat_message(EQUATION)
    said = []
    for agent in (solver, checker):
        said += [(each.name, str(each)) async for each in chat.invoke(agent=agent)]
    assert [name for name, _ in said] == ["Solver", "Checker"]
    assert SOLUTION in said[0][1]


play()
