"""Tools: how they are offered to the model, and how its calls of them are carried out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from openai.types import FileObject
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.engine.turn import Call
from assistants_server.store import NotFound, Store

CODE_INTERPRETER = {
    "type": "function",
    "name": "code_interpreter",
    "description": "Run Python code in a Jupyter kernel that keeps its variables from call to call. "
    "You get what it prints, the value of its last expression, and its figures. Files are in the "
    "working directory; link to a file that you wrote as sandbox:/mnt/data/NAME.",
    "parameters": {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "the Python code"}},
        "required": ["code"],
        "additionalProperties": False,
    },
    "strict": True,
}


FILE_SEARCH = {
    "type": "function",
    "name": "file_search",
    "description": "Search the user's documents for passages about something. Each passage that "
    "you get begins with its mark. Where you use one, put its mark behind what you say.",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "what to look for"}},
        "required": ["query"],
        "additionalProperties": False,
    },
    "strict": True,
}


def offered(run: Run, files: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the run's tools as the Responses API wants them: all of them functions.

    Args:
        files: names of the files that the run's code may read.
    """
    tools = []
    for tool in run.tools:
        if tool.type == "code_interpreter":
            there = f" There are these files: {', '.join(files)}." if files else ""
            description = CODE_INTERPRETER["description"] + there
            tools.append({**CODE_INTERPRETER, "description": description})
        elif tool.type == "file_search":
            tools.append(FILE_SEARCH)
        elif tool.type == "function":
            function = tool.function.model_dump(exclude_none=True)
            function.setdefault("parameters", {"type": "object", "properties": {}})
            tools.append({"type": "function", "strict": False, **function})
    return tools


def choice(run: Run) -> str | dict[str, str]:
    """Return the run's tool_choice as the Responses API wants it."""
    wanted = run.tool_choice or "auto"
    if isinstance(wanted, str):
        return wanted
    name = wanted.function.name if wanted.type == "function" else wanted.type
    return {"type": "function", "name": name}


def as_recorded(call: Call, run: Run) -> dict[str, Any]:
    """Return a call of the model as a run step records it before it is carried out."""
    if is_code(call, run):
        code, _ = _code(call)
        return {
            "id": call.id,
            "type": "code_interpreter",
            "code_interpreter": {"input": code, "outputs": []},
        }
    if is_search(call, run):
        return {"id": call.id, "type": "file_search", "file_search": {}}
    function = {"name": call.name, "arguments": call.arguments, "output": None}
    return {"id": call.id, "type": "function", "function": function}


def is_code(call: Call, run: Run) -> bool:
    has_it = any(tool.type == "code_interpreter" for tool in run.tools)
    return has_it and call.name == CODE_INTERPRETER["name"]


def is_search(call: Call, run: Run) -> bool:
    has_it = any(tool.type == "file_search" for tool in run.tools)
    return has_it and call.name == FILE_SEARCH["name"]


def kind(call: Call, run: Run) -> str:
    """Return the type that a run step gives a call."""
    if is_code(call, run):
        return "code_interpreter"
    return "file_search" if is_search(call, run) else "function"


def is_for_the_client(call: Call, run: Run) -> bool:
    """Return whether the call is of one of the functions that the run's client provides."""
    names = [tool.function.name for tool in run.tools if tool.type == "function"]
    return call.name in names


def unknown(call: Call, run: Run) -> str:
    """Return what a model is told that calls a function which is not there."""
    names = [tool["name"] for tool in offered(run)]
    return f"There is no function '{call.name}'. There are: {', '.join(names) or 'none'}."


async def run_code(
    interpreter: CodeInterpreter, store: Store, run: Run, call: Call
) -> dict[str, Any]:
    """Carry out a call of the code interpreter; return it as recorded, with its outputs."""
    recorded = as_recorded(call, run)
    code, problem = _code(call)
    outputs = recorded["code_interpreter"]["outputs"]
    if problem:
        outputs.append({"type": "logs", "logs": problem})
        return recorded
    result = await interpreter.run(run.thread_id, code, await files_for(store, run))
    if result.logs:
        outputs.append({"type": "logs", "logs": result.logs})
    outputs += [{"type": "image", "image": {"file_id": image}} for image in result.images]
    return recorded


async def file_names(store: Store, run: Run) -> list[str]:
    """Return the names of the files that the run's code may read; none if it can run no code."""
    if not any(tool.type == "code_interpreter" for tool in run.tools):
        return []
    names = []
    for file_id in await files_for(store, run):
        with suppress(NotFound):  # deleted since
            names.append(store.get(FileObject, file_id).filename)
    return names


def resources_of(store: Store, run: Run) -> Iterator[Any]:
    """Yield the tool resources that a run may use: those of its assistant, and of its thread."""
    for kind, id in ((Assistant, run.assistant_id), (Thread, run.thread_id)):
        with suppress(NotFound):  # the assistant was deleted while the run went on
            if resources := store.get(kind, id).tool_resources:
                yield resources


async def files_for(store: Store, run: Run) -> list[str]:
    """Return the ids of the files that the run's code may read, without repeats."""
    files: dict[str, None] = {}
    for resources in resources_of(store, run):
        if resources.code_interpreter:
            files |= dict.fromkeys(resources.code_interpreter.file_ids or ())
    attached = [
        attachment.file_id
        async for message in store.newest_first(Message, run.thread_id, with_files=True)
        for attachment in message.attachments or ()
        if any(tool.type == "code_interpreter" for tool in attachment.tools or ())
    ]
    return list(files | dict.fromkeys(reversed(attached)))


def _code(call: Call) -> tuple[str, str]:
    """Return the code of a call, and what is wrong with the call if something is."""
    try:
        code = json.loads(call.arguments)["code"]
        if isinstance(code, str):
            return code, ""
    except (ValueError, KeyError, TypeError):
        pass
    return call.arguments, 'The arguments must be JSON: {"code": "..."}. Nothing was run.'
