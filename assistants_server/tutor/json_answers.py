"""Writes an answer as JSON, when a response format or a function's parameters ask for it."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from assistants_server.tutor.budget import TooHard
from assistants_server.tutor.lesson import Lesson, Step

MAX_DEPTH = 12
MAX_CHARACTERS = 500_000  # of the strings in an answer
CHARACTERS_OF_A_FIELD = 50  # the least that a field counts for
KINDS: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def as_json(lesson: Lesson, text: str, schema: object) -> str:
    """Return the lesson, which `text` says in plain words, as a JSON text.

    It fills a JSON Schema by the types and names of its fields; None stands for an object of our
    own. Raises `TooHard` for a schema with more fields than the tutor fills.
    """
    if schema is None:
        steps = [step.outcome or step.action for step in lesson.steps]
        filled = {"answer": text, "value": lesson.value, "steps": steps}
    else:
        filled = _Filler(lesson, text, schema).fill(schema, "answer", 0)
    return json.dumps(filled, ensure_ascii=False)


def from_json(text: str) -> Any:
    """Return what a JSON text says; the text itself if it is no JSON, which knows no infinity."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


@dataclass
class _Filler:
    """Fills a JSON Schema. Anything else in the place of a schema is filled as a string."""

    lesson: Lesson
    text: str
    root: object
    step: Step | None = None
    characters: int = 0

    def fill(self, schema: object, name: str, depth: int) -> Any:
        """Return a value that fits `schema`, for a field called `name`.

        Fields that have a default are left out.
        """
        self._count(CHARACTERS_OF_A_FIELD + len(name))
        if depth > MAX_DEPTH:
            return None
        if not isinstance(schema, dict):
            return self._string(name)
        if "$ref" in schema:
            return self.fill(self._definition(schema["$ref"]), name, depth + 1)
        for choice in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(choice), list) and schema[choice]:
                return self.fill(schema[choice][0], name, depth + 1)
        if "const" in schema:
            return self._given(schema["const"])
        found = self._found(name)
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            known = found is not None and found in schema["enum"]
            return self._given(found if known else schema["enum"][0])
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == KINDS.get(type(found)) or (kind == "number" and type(found) is int):
            return self._given(found)
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "number":
                return self._number()
            case "integer":
                return round(self._number())
            case "boolean":
                return self.lesson.value not in (None, False)
            case "null":
                return None
            case _:
                return self._string(name)

    def _object(self, schema: dict, depth: int) -> dict:
        fields = schema.get("properties")
        if not isinstance(fields, dict):
            return {}
        return {
            field: self.fill(inner, field, depth + 1)
            for field, inner in fields.items()
            if not (isinstance(inner, dict) and "default" in inner)
        }

    def _array(self, schema: dict, name: str, depth: int) -> list:
        """Return an item for each step of the lesson; if it has none, for each of its values."""
        step, lesson = self.step, self.lesson
        found = self._found(name)
        values = found if isinstance(found, list) else lesson.value
        if lesson.steps or not isinstance(values, list):
            parts = [(each, lesson) for each in lesson.steps or (step,)]
        else:
            parts = [(Step("", _plain(each)), replace(lesson, value=each)) for each in values]
        filled = []
        for self.step, self.lesson in parts:
            filled.append(self.fill(schema.get("items", {}), name, depth + 1))
        self.step, self.lesson = step, lesson
        return filled

    def _found(self, name: str) -> Any:
        """Return what the outputs of functions, where they are JSON objects, say of a name."""
        value = self.lesson.value
        outputs = value if isinstance(value, list) else [value]
        return next(
            (each[name] for each in outputs if isinstance(each, dict) and name in each), None
        )

    def _string(self, name: str) -> str:
        said = _words_of_step(self.step, name) if self.step else self._words(name)
        self._count(len(said))
        return said

    def _words(self, name: str) -> str:
        if any(word in name.lower() for word in ("final", "value", "solution", "result")):
            return _plain(self.lesson.value) or self.text
        return self.text

    def _number(self) -> float:
        try:
            number = float(_plain(self.lesson.value))
        except ValueError:
            return 0.0
        return number if math.isfinite(number) else 0.0

    def _given(self, value: object) -> object:
        self._count(len(json.dumps(value)))
        return value

    def _definition(self, reference: object) -> object:
        here = self.root
        for part in str(reference).removeprefix("#").strip("/").split("/"):
            if part:
                here = here.get(part, {}) if isinstance(here, dict) else {}
        return here

    def _count(self, characters: int) -> None:
        self.characters += characters
        if self.characters > MAX_CHARACTERS:
            raise TooHard


def _plain(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None or isinstance(value, dict) else str(value)


def _words_of_step(step: Step, name: str) -> str:
    if any(word in name.lower() for word in ("explanation", "action", "reason", "description")):
        return step.action
    return step.outcome or step.action
