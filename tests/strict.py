"""Strict validation of answers: right types, nothing missing, nothing that OpenAI does not have."""

from typing import Any

from pydantic import BaseModel


def check(answer: dict[str, Any], model: type[BaseModel]) -> BaseModel:
    """Return `answer` as the SDK's `model`.

    Raises:
        ValidationError: a field is missing or has another type.
        AssertionError: there is a field that the model does not know, at any depth, or one of the
            model's fields was left out.
    """
    checked = model.model_validate(answer, strict=True)
    missing = {field.alias or name for name, field in model.model_fields.items()} - set(answer)
    assert not missing, f"{model.__name__} lacks {missing}"
    _no_extras(checked)
    return checked


def _no_extras(value: Any) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra, f"{type(value).__name__} has {set(value.model_extra)}"
        for name in type(value).model_fields:
            _no_extras(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            _no_extras(item)
