"""OpenAI's objects that hold tools and calls, extended by the tools that are only here."""

from typing import Annotated, Literal

from openai.types import beta
from openai.types.beta import AssistantTool, AssistantToolChoiceFunction, AssistantToolChoiceOption
from openai.types.beta import threads as sdk
from openai.types.beta.threads import runs
from openai.types.beta.threads.runs import ToolCall, ToolCallDelta, run_step, run_step_delta
from pydantic import BaseModel

from assistants_server.tools import TYPES, As, one_of


class ToolChoice(BaseModel):
    type: Annotated[str, As(Literal[TYPES])]
    function: AssistantToolChoiceFunction | None = None


class Assistant(beta.Assistant):
    tools: list[Annotated[AssistantTool, one_of("settings_model")]]


class Run(sdk.Run):
    tools: list[Annotated[AssistantTool, one_of("settings_model")]]
    tool_choice: Annotated[
        AssistantToolChoiceOption | None,
        As(Literal["none", "auto", "required"] | ToolChoice | None),
    ] = None


class ToolCallsStepDetails(runs.ToolCallsStepDetails):
    tool_calls: list[Annotated[ToolCall, one_of("record_model")]]


class RunStep(runs.RunStep):
    step_details: Annotated[
        run_step.StepDetails, As(runs.MessageCreationStepDetails | ToolCallsStepDetails)
    ]


class ToolCallDeltaObject(runs.ToolCallDeltaObject):
    tool_calls: list[Annotated[ToolCallDelta, one_of("delta_model")]] | None = None


class RunStepDelta(runs.RunStepDelta):
    step_details: Annotated[run_step_delta.StepDetails | None, As(ToolCallDeltaObject | None)] = (
        None
    )


class RunStepDeltaEvent(runs.RunStepDeltaEvent):
    delta: RunStepDelta
