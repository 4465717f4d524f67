"""The tool of functions that the client of a run provides."""

from typing import Annotated, Any, Literal

from openai.types import FunctionDefinition as Definition
from openai.types import beta
from openai.types.beta.threads import runs
from openai.types.responses import FunctionToolParam

from assistants_server.tools.tool import Call, Tool
from assistants_server.web.fields import Body, FunctionDefinition
from assistants_server.web.shown import LeftOut, OrDefault


class FunctionRequest(Body):
    type: Literal["function"]
    function: FunctionDefinition


class Function(Definition):
    description: Annotated[str | None, LeftOut] = None
    parameters: Annotated[dict[str, Any] | None, LeftOut] = None
    strict: Annotated[bool, OrDefault] = False


class FunctionSettings(beta.FunctionTool):
    function: Function


class FunctionTool(Tool):
    """One function. The client carries out its calls and submits their outputs."""

    type = "function"
    request_model = FunctionRequest
    settings_model = FunctionSettings
    record_model = runs.FunctionToolCall
    delta_model = runs.FunctionToolCallDelta
    streams = "arguments"

    @property
    def name(self) -> str:
        return self.settings.function.name

    def is_chosen(self, choice: beta.AssistantToolChoice) -> bool:
        function = choice.function if super().is_chosen(choice) else None
        return function is not None and function.name == self.name

    async def offer(self) -> FunctionToolParam:
        function = self.settings.function
        offer: FunctionToolParam = {
            "type": "function",
            "name": function.name,
            "parameters": function.parameters or {"type": "object", "properties": {}},
            "strict": function.strict,
        }
        if function.description is not None:
            offer["description"] = function.description
        return offer

    async def carry_out(self, call: Call) -> runs.FunctionToolCall | None:
        return None

    @classmethod
    def details(cls, call: Call) -> dict[str, Any]:
        return {"name": call.name, "arguments": call.arguments}


TOOL = FunctionTool


class MissingFunction(FunctionTool):
    """Stands for a function that the model calls though it is not there. `names` are those that are."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    async def carry_out(self, call: Call) -> runs.FunctionToolCall:
        there_are = ", ".join(self._names) or "none"
        output = f"There is no function '{call.name}'. There are: {there_are}."
        return self.record(call, output=output)
