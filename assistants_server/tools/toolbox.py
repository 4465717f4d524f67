"""The tools of one conversation."""

from collections.abc import Iterable, Sequence

from openai.types.beta import AssistantTool, AssistantToolChoiceOption
from openai.types.beta.threads.runs import ToolCall
from openai.types.responses import FunctionToolParam

from assistants_server.tools.annotator import Places
from assistants_server.tools.function import MissingFunction
from assistants_server.tools.kinds import KINDS
from assistants_server.tools.tool import Context, Tool


class Toolbox:
    """The tools of one conversation, made of their settings as they are stored."""

    def __init__(self, context: Context, settings: Iterable[AssistantTool]) -> None:
        self._context = context
        tools = [KINDS[each.type](each, context) for each in settings]
        functions = {tool.name for tool in tools if tool.type == "function"}
        self._named = [(_name(tool, functions), tool) for tool in tools]

    async def offer(self) -> list[FunctionToolParam]:
        """Return the tools as the Responses API takes them: all of them functions."""
        return [{**await tool.offer(), "name": name} for name, tool in self._named]

    def choice(self, wanted: AssistantToolChoiceOption | None) -> str | dict[str, str]:
        """Return a run's tool_choice as the Responses API takes it."""
        if wanted is None or isinstance(wanted, str):
            return wanted or "auto"
        names = [name for name, tool in self._named if tool.is_chosen(wanted)]
        return {"type": "function", "name": names[0]}

    def find(self, name: str) -> Tool:
        """Return the tool that the model calls by this name, or one that says there is none."""
        return dict(self._named).get(name) or MissingFunction([name for name, _ in self._named])

    def places(self, records: Sequence[ToolCall]) -> list[Places]:
        """Return what to annotate in a message, given all calls of its run in order."""
        found = (each.places(self._context, records) for each in KINDS.values())
        return [each for each in found if each]


def _name(tool: Tool, functions: set[str]) -> str:
    """Return the name that a tool is offered by: not that of a function, which its client knows."""
    name = tool.name
    while tool.type != "function" and name in functions:
        name = f"built_in_{name}"
    return name
