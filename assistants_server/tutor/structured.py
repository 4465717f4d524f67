"""Answers as JSON, for those who set a response format."""

import json
from typing import Any

from assistants_server.tutor.lesson import Lesson

MAX_DEPTH = 12


def as_json(lesson: Lesson, text: str, format: dict[str, Any]) -> str:
    """Return the answer as a JSON text.

    Args:
        lesson: what is to be said.
        text: how it would have been said in plain words.
        format: ``{"type": "json_object"}``, or ``{"type": "json_schema", "schema": ...}``; the
            schema is filled by the types and names of its fields.
    """
    if format["type"] == "json_schema":
        schema = format.get("schema") or {}
        filled = _Filler(lesson, text, schema).fill(schema, "answer", 0)
    else:
        steps = [step.outcome or step.action for step in lesson.steps]
        filled = {"answer": text, "value": lesson.value, "steps": steps}
    return json.dumps(filled, ensure_ascii=False)


class _Filler:
    def __init__(self, lesson: Lesson, text: str, root: dict[str, Any]) -> None:
        self.lesson = lesson
        self.text = text
        self.root = root

    def fill(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        """Return a value that fits `schema`, for a field called `name`."""
        if depth > MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self.fill(self._definition(schema["$ref"]), name, depth + 1)
        for choice in ("anyOf", "oneOf", "allOf"):
            if schema.get(choice):
                return self.fill(schema[choice][0], name, depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) else kind
        return getattr(self, f"_{kind}", self._string)(schema, name, depth)

    def _object(self, schema: dict, name: str, depth: int) -> dict:
        fields = schema.get("properties", {})
        return {field: self.fill(inner, field, depth + 1) for field, inner in fields.items()}

    def _array(self, schema: dict, name: str, depth: int) -> list:
        items = schema.get("items", {})
        if not self.lesson.steps:
            return [self.fill(items, name, depth + 1)]
        fillers = [_StepFiller(step, self) for step in self.lesson.steps]
        return [filler.fill(items, name, depth + 1) for filler in fillers]

    def _string(self, schema: dict, name: str, depth: int) -> str:
        if any(word in name.lower() for word in ("final", "value", "solution", "result")):
            return _plain(self.lesson.value) or self.text
        return self.text

    def _number(self, schema: dict, name: str, depth: int) -> float:
        try:
            return float(_plain(self.lesson.value))
        except ValueError:
            return 0.0

    def _integer(self, schema: dict, name: str, depth: int) -> int:
        return round(self._number(schema, name, depth))

    def _boolean(self, schema: dict, name: str, depth: int) -> bool:
        return self.lesson.value not in (None, False)

    def _null(self, schema: dict, name: str, depth: int) -> None:
        return None

    def _definition(self, reference: str) -> dict[str, Any]:
        here: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            here = here.get(part, {}) if part else here
        return here


class _StepFiller(_Filler):
    """Fills the items of a list, one for each step."""

    def __init__(self, step: Any, parent: _Filler) -> None:
        super().__init__(parent.lesson, step.outcome or step.action, parent.root)
        self.step = step

    def _string(self, schema: dict, name: str, depth: int) -> str:
        if any(word in name.lower() for word in ("explanation", "action", "reason", "description")):
            return self.step.action
        return self.text


def _plain(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)
