"""Strict validation of answers: right types, nothing missing, nothing that OpenAI did not have."""

from typing import Any

from openai.types import VectorStore
from openai.types.beta import Assistant
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from openai.types.vector_stores import VectorStoreFileBatch
from pydantic import BaseModel

# Where the hosted API differed from the SDK's models; `tests/recordings` names the sources.
ADDED = {"cached_tokens", "completion_tokens_details", "prompt_token_details", "reasoning_tokens"}
ADDED_TO = {
    Assistant: {"reasoning_effort"},
    Run: {"reasoning_effort", "tool_resources"},
    RunStep: {"expires_at"},
}
NOT_ALWAYS_THERE = {
    Message: {"status", "completed_at", "incomplete_at", "incomplete_details"},
    RunStep: {"expired_at"},
}
# What was answered, and what the SDK's model has in its place.
INSTEAD: dict[type[BaseModel], dict[str, tuple[Any, Any]]] = {
    Run: {"instructions": (None, "")},
    VectorStore: {"name": (None, "")},
    VectorStoreFileBatch: {"object": ("vector_store.file_batch", "vector_store.files_batch")},
}


def check(answer: dict[str, Any], model: type[BaseModel]) -> BaseModel:
    """Return `answer` as the SDK's `model`.

    Raises:
        ValidationError: a field is missing or has another type.
        AssertionError: there is a field that the model does not know, at any depth, or one of the
            model's fields was left out.
    """
    filled, absent = {**answer}, NOT_ALWAYS_THERE.get(model, set())
    for name, (theirs, sdks) in INSTEAD.get(model, {}).items():
        filled[name] = sdks if answer[name] == theirs else answer[name]
    if model is Message and "status" not in answer:
        filled["status"] = "completed"
    checked = model.model_validate(filled, strict=True)
    fields = {field.alias or name for name, field in model.model_fields.items()}
    assert not fields - absent - set(answer), f"{model.__name__} lacks {fields - set(answer)}"
    _no_extras(checked, ADDED_TO.get(model, set()))
    return checked


def _no_extras(value: Any, allowed: set[str]) -> None:
    if isinstance(value, BaseModel):
        extras = set(value.model_extra or ()) - allowed - ADDED
        assert not extras, f"{type(value).__name__} has {extras}"
        for name in type(value).model_fields:
            _no_extras(getattr(value, name), set())
    elif isinstance(value, list):
        for item in value:
            _no_extras(item, set())
