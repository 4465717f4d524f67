"""OpenAI's objects that hold tools and calls, extended by the tools that are only here."""

from typing import Annotated, Any, Literal

from openai.types import beta
from openai.types.beta import threads
from openai.types.beta.threads import runs
from openai.types.beta.threads.runs import run_step, run_step_delta
from pydantic import BaseModel

from assistants_server.tools import KINDS, TYPES, As, one_of

Tools = list[Annotated[beta.AssistantTool, one_of("settings_model")]]


class ToolChoice(BaseModel):
    type: Annotated[str, As(Literal[TYPES])]
    function: beta.AssistantToolChoiceFunction | None = None


class Assistant(beta.Assistant):
    tools: Tools


class IncompleteDetails(threads.run.IncompleteDetails):
    """The description knows two reasons. Runs that a content filter had cut ended with a third.

    See https://github.com/microsoft/semantic-kernel/issues/12752
    """

    reason: Annotated[
        Any, As(Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"])
    ]


class Run(threads.Run):
    tools: Tools
    incomplete_details: Annotated[
        threads.run.IncompleteDetails | None, As(IncompleteDetails | None)
    ] = None
    tool_choice: Annotated[
        beta.AssistantToolChoiceOption | None,
        As(Literal["none", "auto", "required"] | ToolChoice | None),
    ] = None


class ToolCallsStepDetails(runs.ToolCallsStepDetails):
    tool_calls: list[Annotated[runs.ToolCall, one_of("record_model")]]


class RunStep(runs.RunStep):
    """A step of a run. It creates a message, or holds calls."""

    step_details: Annotated[
        run_step.StepDetails, As(runs.MessageCreationStepDetails | ToolCallsStepDetails)
    ]

    @property
    def message_id(self) -> str | None:
        """The id of the message that it creates, if it does."""
        details = self.step_details
        return details.message_creation.message_id if details.type == "message_creation" else None

    @property
    def calls(self) -> list[runs.ToolCall]:
        """Its calls."""
        return self.step_details.tool_calls if self.step_details.type == "tool_calls" else []

    @property
    def public(self) -> "RunStep":
        """The step without what its tools show only if a client asks for it."""
        step = self.model_copy(update={"step_details": self.step_details.model_copy()})
        if step.step_details.type == "tool_calls":
            step.step_details.tool_calls = [KINDS[each.type].public(each) for each in self.calls]
        return step


class ToolCallDeltaObject(runs.ToolCallDeltaObject):
    tool_calls: list[Annotated[runs.ToolCallDelta, one_of("delta_model")]] | None = None


class RunStepDelta(runs.RunStepDelta):
    step_details: Annotated[run_step_delta.StepDetails | None, As(ToolCallDeltaObject | None)] = (
        None
    )


class RunStepDeltaEvent(runs.RunStepDeltaEvent):
    delta: RunStepDelta
