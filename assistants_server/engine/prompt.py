"""Turns a run and its thread into requests to the Responses API."""

import json
from dataclasses import dataclass
from typing import Any

from assistants_server import tokens
from assistants_server.engine import history, items
from assistants_server.engine.history import Unit
from assistants_server.engine.items import Item
from assistants_server.store import Store
from assistants_server.tools import Toolbox
from assistants_server.wire import Run, RunStep

FEWEST_OUTPUT_TOKENS = 16  # the least that the Responses API takes
BLOCKS = 4


@dataclass
class Prompt:
    """What a model is asked, of which the oldest can be left out.

    Attributes:
        model: the model that is asked.
        fields: the request without its input.
        thread: what it repeats of the thread, oldest first.
        own: what the run has added, which is always sent.
        can_drop: whether parts of the thread may be left out to keep within the model's window.
        thoughts: whether reasoning is sent back.
    """

    model: str
    fields: dict[str, Any]
    thread: list[Unit]
    own: list[Item]
    can_drop: bool
    thoughts: bool = True

    def fit(self, most: int | None) -> list[Unit]:
        """Return what to repeat of the thread so that the request has so many tokens, if it can be.

        What began the conversation and the newest message stay longest. More is left out than needs
        to be, a quarter of the window at a time: so the next prompts begin like this one.
        """
        can_drop = self.can_drop and len(self.thread) > 1
        if most is None or not can_drop or self.size(self.thread) <= most:
            return self.thread
        block = max(most // BLOCKS, 1)
        over = -(-(self.size(self.thread) - most) // block) * block
        first, *middle = self.thread
        while middle[1:] and over > 0:
            over -= middle.pop(0).size
        return [first, *middle] if over <= 0 else self.thread[-1:]

    def size(self, kept: list[Unit]) -> int:
        """Return the estimated number of tokens of a request that repeats so much."""
        fixed = tokens.count(json.dumps([self.fields.get("tools"), self.fields.get("text")]))
        fixed += tokens.count(self.fields.get("instructions", ""))
        return fixed + sum(map(items.count, self.own)) + sum(unit.size for unit in kept)

    def request(self, kept: list[Unit]) -> dict[str, Any]:
        """Return the body of a request that repeats so much of the thread."""
        sent = [item for unit in kept for item in unit.items] + self.own
        return {**self.fields, "input": sent if self.thoughts else items.without_thoughts(sent)}


async def build_prompt(store: Store, run: Run, toolbox: Toolbox) -> Prompt:
    """Return what a run asks the model next.

    What the caller did not set is left out, because some models refuse a temperature.

    Raises:
        PromptTooLong: the run's max_prompt_tokens leaves no room for the newest message.
        ImageTooLarge: one of the images is.
        NotFound: the file of an image has been deleted.
    """
    thread = await history.kept(store, run)
    own = [item for _, unit in history.turns(store, run, run.id) for item in unit.items]
    tools = await toolbox.offer()
    effort = run.reasoning_effort
    # A forced call would be forced again after its output, for ever.
    choice = "auto" if own else toolbox.choice(run.tool_choice)
    fields = {
        "model": run.model,
        "instructions": run.instructions or None,
        "max_output_tokens": _tokens_left(store, run),
        "tools": tools or None,
        "tool_choice": choice if tools and choice != "auto" else None,
        "parallel_tool_calls": False if tools and run.parallel_tool_calls is False else None,
        "temperature": run.temperature,
        "top_p": run.top_p,
        "text": _text_format(run),
        "reasoning": {"effort": effort} if effort else None,
        # Nothing is stored there, so we ask for its reasoning, to send it back after the call.
        "include": ["reasoning.encrypted_content"] if tools else None,
        "store": False,
        # Requests of one thread begin alike; so they find the machine that has read the beginning.
        # https://platform.openai.com/docs/guides/prompt-caching
        "prompt_cache_key": run.thread_id,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    can_drop = run.truncation_strategy is None or run.truncation_strategy.type == "auto"
    return Prompt(run.model, given, thread, own, can_drop)


def _tokens_left(store: Store, run: Run) -> int | None:
    if run.max_completion_tokens is None:
        return None
    steps = store.all(RunStep, run.id)
    used = sum(step.usage.completion_tokens for step in steps if step.usage)
    return max(run.max_completion_tokens - used, FEWEST_OUTPUT_TOKENS)


def _text_format(run: Run) -> dict[str, Any] | None:
    wanted = run.response_format
    if wanted is None or wanted == "auto":
        return None
    if wanted.type == "json_schema":
        schema = wanted.json_schema.model_dump(by_alias=True, exclude_none=True)
        return {"format": {"type": "json_schema", **schema}}
    return {"format": {"type": wanted.type}}
