"""The tool of functions that the client of a run provides."""

from collections.abc import Callable
from typing import Literal

from openai.types.beta import AssistantToolChoice
from openai.types.beta import FunctionTool as Settings
from openai.types.beta.threads.runs import FunctionToolCall, FunctionToolCallDelta
from openai.types.beta.threads.runs import function_tool_call_delta as deltas
from openai.types.beta.threads.runs.function_tool_call import Function
from openai.types.responses import FunctionToolParam

from assistants_server.tools.tool import Call, Tool
from assistants_server.web.fields import Body, FunctionDefinition


class FunctionRequest(Body):
    type: Literal["function"]
    function: FunctionDefinition


class FunctionTool(Tool[Settings, FunctionToolCall]):
    """One function. The client carries out its calls and submits their outputs."""

    type = "function"
    request_model = FunctionRequest
    settings_model = Settings
    record_model = FunctionToolCall
    delta_model = FunctionToolCallDelta

    @property
    def name(self) -> str:
        return self.settings.function.name

    def is_chosen(self, choice: AssistantToolChoice) -> bool:
        function = choice.function if super().is_chosen(choice) else None
        return function is not None and function.name == self.name

    async def offer(self) -> FunctionToolParam:
        function = self.settings.function
        offer: FunctionToolParam = {
            "type": "function",
            "name": function.name,
            "parameters": function.parameters or {"type": "object", "properties": {}},
            "strict": function.strict or False,
        }
        if function.description is not None:
            offer["description"] = function.description
        return offer

    async def carry_out(self, call: Call) -> FunctionToolCall | None:
        return None

    @classmethod
    def record(cls, call: Call) -> FunctionToolCall:
        function = Function(name=call.name, arguments=call.arguments)
        return FunctionToolCall(id=call.id, type="function", function=function)

    @classmethod
    def output(cls, record: FunctionToolCall, number: int) -> str:
        return record.function.output or ""

    @classmethod
    def streamer(cls) -> Callable[[str], str]:
        return str

    @classmethod
    def partial(cls, text: str) -> object:
        return deltas.Function(arguments=text)

    @classmethod
    def outcome(cls, record: FunctionToolCall) -> object:
        return deltas.Function(output=record.function.output)


TOOL = FunctionTool


class MissingFunction(FunctionTool):
    """Stands for a function that the model calls though it is not there.

    Args:
        names: the functions that are.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names

    async def carry_out(self, call: Call) -> FunctionToolCall:
        record = self.record(call)
        there_are = ", ".join(self._names) or "none"
        record.function.output = f"There is no function '{call.name}'. There are: {there_are}."
        return record
