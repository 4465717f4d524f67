"""One model turn, put together from the events of a Responses API.

Servers differ: some send no ``event:`` lines, arguments only when they are done, or two items on
one index. So events are told apart by their `type`, items by their id, and what the last event
says of an item counts more than what came before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from openai.types.beta.threads import MessageContent, RefusalContentBlock, Text, TextContentBlock

from assistants_server.engine.failures import UpstreamError, reported
from assistants_server.tools import Call, sound
from assistants_server.wire import Usage

# They say nothing that others do not, and two of them repeat the whole response.
SKIPPED = (
    "response.created",
    "response.in_progress",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.done",
)

CutShort = Literal["max_completion_tokens", "content_filter"]


@dataclass
class Growing:
    """A text that comes piece by piece.

    Attributes:
        number: which of the turn's blocks, or of its calls, it is.
    """

    number: int
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self.pieces)


@dataclass
class Block(Growing):
    """A block of what the model says, or its refusal."""

    refusal: bool = False

    @property
    def content(self) -> MessageContent:
        """The block as the Assistants API writes it."""
        if self.refusal:
            return RefusalContentBlock(type="refusal", refusal=self.text)
        return TextContentBlock(type="text", text=Text(value=self.text, annotations=[]))


@dataclass
class CallBegun(Growing):
    """A call whose arguments the model is writing. It has no name until its item has come."""

    id: str = ""
    name: str = ""


@dataclass(frozen=True)
class Piece:
    """What an event adds to the answer: the beginning of a block or a call, or more of it."""

    of: Block | CallBegun
    text: str


@dataclass
class Turn:
    """A finished model turn.

    Attributes:
        blocks: what it said, as the Assistants API writes it.
        calls: the functions that it wants called.
        items: what to send back later: all that it wrote, in order, if it called; or of its messages
            what `blocks` cannot tell.
        usage: its tokens, as the upstream counted them.
        cut_short: what ended it before it was whole, if something did. Its calls are then not to be
            carried out.
    """

    blocks: list[MessageContent]
    calls: list[Call]
    items: list[dict[str, Any]]
    usage: Usage
    cut_short: CutShort | None

    @property
    def is_last(self) -> bool:
        """Whether it ends the run: there is nothing to carry out."""
        return not self.calls or self.cut_short is not None


@dataclass
class TurnReader:
    """Reads the events of one turn, in order."""

    _response: dict[str, Any] | None = None
    _items: dict[str, dict[str, Any]] = field(default_factory=dict)
    _blocks: dict[tuple[str, Any], Block] = field(default_factory=dict)
    _calls: dict[str, CallBegun] = field(default_factory=dict)
    _named: int = 0

    def read(self, event: Any) -> Piece | None:
        """Take in an event; return what it adds to the answer, if anything.

        Raises:
            UpstreamError: it says that the turn has failed.
        """
        if not isinstance(event, dict):
            return None
        if event.get("type") in SKIPPED:
            return None
        event = _sound(event)
        item_id = str(event.get("item_id", ""))
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                place = item_id, event.get("content_index")
                new = Block(len(self._blocks), refusal="refusal" in kind)
                return _add(self._blocks.setdefault(place, new), event.get("delta"))
            case "response.function_call_arguments.delta":
                return _add(self._call(item_id), event.get("delta"))
            case "response.function_call_arguments.done":
                return self._whole_arguments(item_id, str(event.get("arguments") or ""))
            case "response.output_item.added" | "response.output_item.done":
                return self._item(event)
            case "response.completed" | "response.incomplete" as kind:
                self._response = {"status": kind[9:], **_part(event, "response")}
            case "response.failed":
                raise reported(_part(event, "response").get("error"))
            case kind if kind == "error" or (kind is None and event.get("error")):
                raise reported(event.get("error") or event)
        return None

    def turn(self) -> Turn:
        """Return the whole turn.

        Raises:
            UpstreamError: the events ended before the turn did, or make no sense.
        """
        if self._response is None:
            raise UpstreamError(
                "The model's server ended its stream before the answer was complete."
            )
        try:
            return self._turn(self._response)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UpstreamError(
                f"The model's server sent an answer that cannot be read ({error!r})."
            ) from error

    def _call(self, item_id: str) -> CallBegun:
        return self._calls.setdefault(item_id, CallBegun(-1))

    def _whole_arguments(self, item_id: str, whole: str) -> Piece | None:
        call = self._call(item_id)
        so_far = call.text
        if whole.startswith(so_far):
            return _add(call, whole.removeprefix(so_far))
        call.pieces = [whole]
        return None

    def _item(self, event: dict[str, Any]) -> Piece | None:
        item = _part(event, "item")
        item_id = str(item.get("id") or f"#{event.get('output_index')}")
        if item:
            self._items[item_id] = item
        if item.get("type") != "function_call" or not item.get("name"):
            return None
        call = self._call(item_id)
        if call.name:
            return None
        call.id, call.name = str(item.get("call_id") or item_id), str(item["name"])
        call.number, self._named = self._named, self._named + 1
        return Piece(call, call.text)

    def _turn(self, response: dict[str, Any]) -> Turn:
        items = response.get("output") or list(self._items.values())
        turn = Turn([], [], [], _usage(response), _cut_short(response))
        for item in items:
            match item.get("type"):
                case "function_call":
                    begun = self._calls.get(item.get("id"))
                    arguments = item.get("arguments") or (begun.text if begun else "")
                    call = Call(item.get("call_id") or item["id"], item["name"], arguments)
                    turn.calls.append(call)
                    named = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
                    turn.items.append({**_whole(item), **named})
                case "message":
                    turn.blocks += _said(item)
                    turn.items.append({"role": "assistant", **_whole(item)})
                case "reasoning":
                    turn.items.append(item)
        if turn.cut_short:
            turn.items = []
        elif not turn.calls:
            # What it thought has served. A phase ("commentary", "final_answer") is to be sent back.
            phased = [item for item in turn.items if item.get("phase")]
            turn.items = [{key: item[key] for key in item if key != "id"} for item in phased]
        if (
            not turn.blocks
        ):  # there are servers that end with nothing but a status, or without a text
            turn.blocks = [block.content for block in self._blocks.values() if block.text]
        return turn


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    part = event.get(name)
    return part if isinstance(part, dict) else {}


def _add(growing: Block | CallBegun, delta: object) -> Piece | None:
    """Add a piece; return it, unless it belongs to a call that has no name yet."""
    text = str(delta or "")
    growing.pieces.append(text)
    return None if growing.number < 0 else Piece(growing, text)


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, dict):
        return {sound(key): _sound(each) for key, each in value.items()}
    return [_sound(each) for each in value] if isinstance(value, list) else value


def _whole(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as an upstream takes it back: without what it has left open."""
    return {name: value for name, value in item.items() if value is not None}


def _said(message: dict[str, Any]) -> Iterator[MessageContent]:
    for part in message.get("content") or []:
        refusal = part.get("type") == "refusal"
        text = part["refusal"] if refusal else part.get("text")
        if refusal or text:
            yield Block(0, [text], refusal).content


def _cut_short(response: dict[str, Any]) -> CutShort | None:
    if response.get("status") != "incomplete":
        return None
    reason = _part(response, "incomplete_details").get("reason")
    return "content_filter" if reason == "content_filter" else "max_completion_tokens"


def _usage(response: dict[str, Any]) -> Usage:
    usage = response.get("usage") or {}
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    cached = _part(usage, "input_tokens_details").get("cached_tokens") or 0
    reasoning = _part(usage, "output_tokens_details").get("reasoning_tokens") or 0
    return Usage.of(read, cached, written, reasoning, usage.get("total_tokens") or read + written)
