"""OpenAI's objects, extended by tools that are only here, and with the hosted API's defaults.

Where recordings of it and the published description disagree, this follows the recordings: see
``tests/recordings``.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from openai.types import beta
from openai.types.beta import assistant, thread, threads
from openai.types.beta.threads import run, runs
from openai.types.beta.threads.runs import run_step, run_step_delta
from pydantic import BaseModel, Field, PlainSerializer, model_validator

from assistants_server.tools import KINDS, TYPES, As, ImageFileBlock, one_of
from assistants_server.web.shown import LeftOut, OrDefault, instead

Tools = list[Annotated[beta.AssistantTool, one_of("settings_model")]]
# A model is sent only what the caller has set: many refuse a temperature.
Sampling = Annotated[float | None, instead(None, 1.0)]


class FileIds(assistant.ToolResourcesCodeInterpreter, thread.ToolResourcesCodeInterpreter):
    file_ids: Annotated[list[str], OrDefault] = []


class VectorStoreIds(assistant.ToolResourcesFileSearch, thread.ToolResourcesFileSearch):
    vector_store_ids: Annotated[list[str], OrDefault] = []


class ToolResources(assistant.ToolResources, thread.ToolResources):
    code_interpreter: Annotated[FileIds | None, LeftOut] = None
    file_search: Annotated[VectorStoreIds | None, LeftOut] = None


def _without_nulls(wanted: Any) -> Any:
    return (
        wanted.model_dump(by_alias=True, exclude_none=True) if hasattr(wanted, "type") else wanted
    )


ResponseFormat = Annotated[
    beta.AssistantResponseFormatOption | None, OrDefault, PlainSerializer(_without_nulls)
]


class ToolChoice(BaseModel):
    type: Annotated[str, As(Literal[TYPES])]
    function: beta.AssistantToolChoiceFunction | None = None


class Assistant(beta.Assistant):
    metadata: Annotated[dict[str, str], OrDefault] = {}
    response_format: ResponseFormat = "auto"
    reasoning_effort: str | None = None
    temperature: Sampling = None
    tool_resources: Annotated[ToolResources, OrDefault] = ToolResources()
    tools: Annotated[Tools, OrDefault] = []
    top_p: Sampling = None

    @model_validator(mode="after")
    def _resources_of_tools(self) -> "Assistant":
        """Give each tool that may have resources a list of them."""
        types, resources = {tool.type for tool in self.tools}, self.tool_resources
        if "code_interpreter" in types and resources.code_interpreter is None:
            resources.code_interpreter = FileIds()
        if "file_search" in types and resources.file_search is None:
            resources.file_search = VectorStoreIds()
        return self


class Thread(beta.Thread):
    metadata: Annotated[dict[str, str], OrDefault] = {}
    tool_resources: Annotated[ToolResources, OrDefault] = ToolResources()


class Message(threads.Message):
    content: list[
        Annotated[
            threads.MessageContent,
            As(
                Annotated[
                    ImageFileBlock
                    | threads.ImageURLContentBlock
                    | threads.RefusalContentBlock
                    | threads.TextContentBlock,
                    Field(discriminator="type"),
                ]
            ),
        ]
    ]


class CachedTokens(BaseModel):
    cached_tokens: int = 0


class ReasoningTokens(BaseModel):
    reasoning_tokens: int = 0


class Usage(run_step.Usage, run.Usage):
    prompt_token_details: CachedTokens = CachedTokens()
    completion_tokens_details: ReasoningTokens = ReasoningTokens()

    @classmethod
    def of(cls, read: int, cached: int, written: int, reasoning: int, total: int) -> "Usage":
        """Return the usage of a model turn, or of several."""
        return cls(
            prompt_tokens=read,
            completion_tokens=written,
            total_tokens=total,
            prompt_token_details=CachedTokens(cached_tokens=cached),
            completion_tokens_details=ReasoningTokens(reasoning_tokens=reasoning),
        )

    @classmethod
    def total(cls, parts: Sequence["Usage"]) -> "Usage":
        """Return what the parts make together."""
        return cls.of(
            sum(each.prompt_tokens for each in parts),
            sum(each.prompt_token_details.cached_tokens for each in parts),
            sum(each.completion_tokens for each in parts),
            sum(each.completion_tokens_details.reasoning_tokens for each in parts),
            sum(each.total_tokens for each in parts),
        )


class IncompleteDetails(threads.run.IncompleteDetails):
    """The description knows two reasons. Runs that a content filter had cut ended with a third.

    See https://github.com/microsoft/semantic-kernel/issues/12752
    """

    reason: Annotated[
        Any, As(Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"])
    ]


class Run(threads.Run):
    instructions: Annotated[str, instead("", None)]
    parallel_tool_calls: Annotated[bool, As(bool | None), instead(None, True)]
    reasoning_effort: str | None = None
    response_format: ResponseFormat = "auto"
    temperature: Sampling = None
    # Always empty, as in the recordings without a stream. Streamed runs had their assistant's there.
    tool_resources: ToolResources = ToolResources()
    tools: Tools
    top_p: Sampling = None
    usage: Usage | None = None
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

    expired_at: Annotated[int | None, LeftOut] = None
    expires_at: int | None = None
    usage: Usage | None = None
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
