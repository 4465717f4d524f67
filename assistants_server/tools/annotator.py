"""Finds the places of a text that stand for files, while the text comes piece by piece."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from openai.types.beta.threads import Annotation, AnnotationDelta
from pydantic import TypeAdapter

NEVER = "(?!)"
_DELTA: TypeAdapter[AnnotationDelta] = TypeAdapter(AnnotationDelta)
_ANNOTATION: TypeAdapter[Annotation] = TypeAdapter(Annotation)


@dataclass(frozen=True)
class Places:
    """What in a text stands for a file.

    Attributes:
        type: of the annotations: file_citation or file_path.
        whole: the pattern of a place, without groups.
        begun: the pattern of what a text may end with in the middle of a place: see `beginning`.
        file_id: returns the id of the file that a place stands for, if it stands for one.
    """

    type: str
    whole: str
    begun: str
    file_id: Callable[[str], str | None]


@dataclass(frozen=True)
class Shown:
    """A piece of a text that can be shown. `annotations` is None where a stream leaves them out."""

    text: str
    annotations: list[AnnotationDelta] | None


class Annotator:
    """Takes a text piece by piece, as a model says it; returns it in pieces with annotations.

    A place comes in a piece of its own. Only the end of the text is held back, and only while it
    may become a place: ``See 【0:`` is shown up to the mark. So how the text was cut changes
    neither the text nor its annotations. Positions count characters, as Python does.
    """

    def __init__(self, places: Sequence[Places]) -> None:
        self._places = {each.type: each for each in places}
        whole = [f"(?P<{each.type}>{each.whole})" for each in places]
        begun = "|".join(each.begun for each in places) or NEVER
        self._whole = re.compile("|".join(whole) or NEVER)
        self._whole_or_begun = re.compile("|".join([f"(?P<begun>{begun})", *whole]))
        self._held = ""
        self._length = self._annotations = 0  # of what has been shown

    def read(self, text: str, last: bool = False) -> list[Shown]:
        """Return what can be shown now that this piece has come. Nothing is empty.

        Args:
            last: whether it is the last piece, so that nothing is held back.
        """
        text, shown, end = self._held + text, [], 0
        self._held = ""
        for found in (self._whole if last else self._whole_or_begun).finditer(text):
            kind = str(found.lastgroup)
            if kind == "begun":
                text, self._held = text[: found.start()], found[0]
            elif file_id := self._places[kind].file_id(found[0]):
                shown += self._show(text[end : found.start()])
                shown += self._show(found[0], kind, file_id)
                end = found.end()
        return shown + self._show(text[end:])

    def _show(self, text: str, kind: str = "", file_id: str = "") -> list[Shown]:
        if not text:
            return []
        # OpenAI's streams begin a text with an empty list, and then leave out what is empty.
        annotations: list[AnnotationDelta] | None = None if self._length else []
        start, self._length = self._length, self._length + len(text)
        if kind:
            place = {"start_index": start, "end_index": self._length, "text": text}
            fields = {"type": kind, **place, kind: {"file_id": file_id}}
            annotations = [_DELTA.validate_python({"index": self._annotations, **fields})]
            self._annotations += 1
        return [Shown(text, annotations)]


def annotations(places: Sequence[Places], text: str) -> list[Annotation]:
    """Return the annotations of a whole text."""
    shown = Annotator(places).read(text, last=True)
    found = [each for piece in shown for each in piece.annotations or ()]
    fields = [each.model_dump(exclude={"index"}, exclude_none=True) for each in found]
    return [_ANNOTATION.validate_python(each) for each in fields]


def beginning(*parts: str) -> str:
    """Return the pattern of what a text may end with between the first and the last of these parts.

    Each is a pattern of one character, or of some of one kind: the beginnings of ``"【", r"\\d+"``
    are ``【`` and ``【12``.
    """
    return reduce(lambda rest, part: rf"{part}(?:\Z|{rest})", reversed(parts), NEVER)
