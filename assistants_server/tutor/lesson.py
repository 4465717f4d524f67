"""What a skill returns: an answer with its steps, in no style yet."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """An action in the imperative, and its outcome: ``divide by 3``, ``x = 1``."""

    action: str
    outcome: str = ""


@dataclass(frozen=True)
class Lesson:
    """An answer and its reasons."""

    result: str  # one sentence, without the full stop
    steps: tuple[Step, ...] = ()
    more: str = ""  # what a longer answer says as well, in whole sentences
    check: str = ""  # how to see that it is right, as half a sentence
    value: object = None  # the bare answer, for those who asked for JSON
    pause: float = 0.0  # seconds between two words, for those who asked for slowness

    def brief(self) -> str:
        """One sentence."""
        if not self.steps:
            return f"{self.result}."
        return f"{self.result}: {', then '.join(step.action for step in self.steps)}."

    def full(self) -> str:
        """The answer, every step, and the check."""
        parts = [f"{self.result}."]
        parts += [f"{number}. {_line(step)}" for number, step in enumerate(self.steps, 1)]
        parts += [self.more] if self.more else []
        parts += [f"{_capital(self.check)}."] if self.check else []
        return "\n".join(parts)

    def explanation(self, brief: bool) -> str:
        """The steps, for a reader who has the answer already; one sentence if `brief`."""
        if not brief:
            return self.full()
        if not self.steps:
            return re.split(r"(?<=[.!?])\s", self.more)[0] or f"{self.result}."
        way = ", then ".join(_clause(step) for step in self.steps)
        return _capital(f"{way}{f'; {self.check}' if self.check else ''}.")


def _line(step: Step) -> str:
    return _capital(f"{step.action}: {step.outcome}" if step.outcome else step.action)


def _clause(step: Step) -> str:
    return f"{step.action} to get {step.outcome}" if step.outcome else step.action


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
