"""What a run's prompt repeats of its thread: messages, and the calls of earlier runs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property

from openai.types.beta.threads import Message

from assistants_server import tokens
from assistants_server.engine import items
from assistants_server.engine.items import Item
from assistants_server.store import ModelItems, NotFound, Store, Unreadable
from assistants_server.wire import Run, RunStep


class PromptTooLong(Exception):
    """Not even the newest message fits into the run's max_prompt_tokens."""


@dataclass(frozen=True)
class Unit:
    """What is sent together or not at all: a message, or a turn with its calls and their outputs.

    Attributes:
        messages: how many of the thread's messages are in it.
    """

    items: list[Item]
    messages: int

    @cached_property
    def size(self) -> int:
        """Its estimated number of tokens."""
        return sum(map(items.count, self.items))


async def kept(store: Store, run: Run) -> list[Unit]:
    """Return what a run's prompt repeats of its thread, oldest first, within the run's limits.

    OpenAI drops from the middle: what began the conversation stays as long as it can.

    Raises:
        PromptTooLong: the run's max_prompt_tokens leaves no room for the newest message.
        ImageTooLarge: an image is.
        NotFound: the file of an image has been deleted.
    """
    strategy = run.truncation_strategy
    most = strategy.last_messages if strategy and strategy.type == "last_messages" else None
    newest: list[Unit] = []
    messages = 0
    async for unit in _newest_first(store, run):
        newest.append(unit)
        messages += unit.messages
        if most is not None and messages >= most:
            break
    if run.max_prompt_tokens is None:
        return newest[::-1]
    room = run.max_prompt_tokens - tokens.count(run.instructions)
    sizes = [unit.size for unit in newest]
    if not sizes or sizes[0] > room:
        raise PromptTooLong
    if sum(sizes) <= room:
        return newest[::-1]
    left, count = room - sizes[0] - sizes[-1], 1
    if left < 0:  # the newest does not fit beside the oldest
        return newest[:1]
    while sizes[count] <= left:
        left -= sizes[count]
        count += 1
    return [newest[-1], *reversed(newest[:count])]


def turns(store: Store, run: Run, of_run: str) -> list[tuple[ModelItems, Unit]]:
    """Return the turns that are kept of a run, oldest first, as `run` repeats them.

    Of an earlier run, a turn whose calls were not all carried out is left out.
    """
    found, number = [], 0
    for row in store.all(ModelItems, of_run):
        step = store.get(RunStep, row.step_id) if row.step_id else None
        calls = step.calls if step else []
        written = row.items
        if not all(store.exists(Message, each) for each in row.messages):
            written = items.without_messages(written)
        if row.model != run.model:
            written = items.without_thoughts(written)
        if step is None or step.status == "completed" or of_run == run.id:
            unit = Unit(items.of_turn(written, calls, number), len(row.messages))
            found.append((row, unit))
        number += len(calls)
    return found


def _earlier(store: Store, run: Run, of_run: str) -> list[tuple[ModelItems, Unit]]:
    """Return the turns of an earlier run, none if it has failed, or cannot be read any more."""
    try:
        found = turns(store, run, of_run)
        return found if found and store.get(Run, of_run).status != "failed" else []
    except (NotFound, Unreadable):
        return []


async def _newest_first(store: Store, run: Run) -> AsyncIterator[Unit]:
    """Yield what the thread holds for a run, apart from what the run itself has added.

    The calls of earlier runs are repeated as they were sent, so that a prompt begins like the one
    before it, and a provider has most of it in its cache:
    https://platform.openai.com/docs/guides/prompt-caching. Those of a run that has failed are not,
    because they may be why.
    """
    of_run: str | None = None
    left: list[tuple[ModelItems, Unit]] = []
    in_turns: set[str] = set()
    async for message in store.newest_first(Message, run.thread_id):
        if message.run_id == run.id or not message.content:
            continue
        if message.run_id != of_run:
            for _, unit in reversed(left):
                yield unit
            of_run, left = message.run_id, []
            if of_run:
                left = _earlier(store, run, of_run)
            in_turns = {each for row, _ in left for each in row.messages}
        while any(message.id in row.messages for row, _ in left):
            yield left.pop()[1]
        if message.id not in in_turns:
            yield Unit([await items.of_message(store, message, run)], 1)
    for _, unit in reversed(left):
        yield unit
