"""One model turn, put together from the events of a Responses API.

Servers differ: some send no ``event:`` lines, arguments only when they are done, or two items on
one index. So events are told apart by their `type`, items by their id, and what the last event
says of an item counts more than what came before it.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from openai.types.beta.threads import MessageContent, RefusalContentBlock, Text, TextContentBlock

LONGEST_REASON = 2000  # what an upstream says of its trouble may be of any length


class UpstreamError(Exception):
    """The upstream gave no answer. `code` is one of the three that a run's last_error knows."""

    def __init__(self, message: str, code: str = "server_error") -> None:
        super().__init__(message[:LONGEST_REASON])
        self.code = code


@dataclass(frozen=True)
class Call:
    """A function that the model wants called. `arguments` is what it wrote, JSON or not."""

    id: str
    name: str
    arguments: str


class TextPiece(NamedTuple):
    """A piece of what the model says, or of its refusal, for the block of that number."""

    block: int
    text: str
    refusal: bool = False


class CallBegun(NamedTuple):
    """The model begins to call a function. `number` counts the calls of the turn from 0."""

    number: int
    id: str
    name: str


class CallPiece(NamedTuple):
    """A piece of the arguments of a call."""

    number: int
    arguments: str


Piece = TextPiece | CallBegun | CallPiece


@dataclass
class Turn:
    """A finished model turn.

    Attributes:
        blocks: what it said, as the Assistants API writes it.
        calls: the functions that it wants called.
        reasoning: items to send back with the outputs of the calls, as the upstream wrote them.
        usage: its tokens, as the upstream counted them.
        cut_short: whether a limit on its tokens ended it.
    """

    blocks: list[MessageContent]
    calls: list[Call]
    reasoning: list[dict[str, Any]]
    usage: dict[str, int]
    cut_short: bool


@dataclass
class TurnReader:
    """Reads the events of one turn, in order."""

    _response: dict[str, Any] | None = None
    _items: dict[str, dict[str, Any]] = field(default_factory=dict)
    _texts: dict[tuple[str, Any], str] = field(default_factory=dict)
    _arguments: dict[str, str] = field(default_factory=dict)
    _begun: dict[str, int] = field(default_factory=dict)

    def read(self, event: Any) -> Piece | None:
        """Take in an event; return what it adds to the answer, if anything.

        Raises:
            UpstreamError: it says that the turn has failed.
        """
        if not isinstance(event, dict):
            return None
        event = _sound(event)
        item_id = str(event.get("item_id", ""))
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" as kind:
                return self._text(item_id, event, str(event.get("delta") or ""), "refusal" in kind)
            case "response.function_call_arguments.delta":
                so_far = self._arguments.get(item_id, "") + str(event.get("delta") or "")
                return self._call_piece(item_id, so_far)
            case "response.function_call_arguments.done":
                return self._call_piece(item_id, str(event.get("arguments") or ""))
            case "response.output_item.added" | "response.output_item.done":
                return self._item(event)
            case "response.completed" | "response.incomplete":
                response = event.get("response")
                self._response = response if isinstance(response, dict) else {}
            case "response.failed":
                response = event.get("response")
                raise _failure(response.get("error") if isinstance(response, dict) else None)
            case "error":
                raise _failure(event.get("error") or event)
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

    def _text(self, item_id: str, event: dict, text: str, refusal: bool) -> TextPiece:
        place = item_id, event.get("content_index")
        self._texts[place] = self._texts.get(place, "") + text
        return TextPiece(list(self._texts).index(place), text, refusal)

    def _call_piece(self, item_id: str, so_far: str) -> CallPiece | None:
        before = self._arguments.get(item_id, "")
        self._arguments[item_id] = so_far
        if item_id not in self._begun or not so_far.startswith(before):
            return None
        return CallPiece(self._begun[item_id], so_far.removeprefix(before))

    def _item(self, event: dict[str, Any]) -> CallBegun | None:
        item = event.get("item")
        if not isinstance(item, dict):
            return None
        item_id = str(item.get("id") or f"#{event.get('output_index')}")
        self._items[item_id] = item
        is_new = item.get("type") == "function_call" and item_id not in self._begun
        if not is_new or not item.get("name"):
            return None
        self._begun[item_id] = len(self._begun)
        call_id = str(item.get("call_id") or item_id)
        return CallBegun(self._begun[item_id], call_id, str(item["name"]))

    def _turn(self, response: dict[str, Any]) -> Turn:
        items = response.get("output") or list(self._items.values())
        blocks, calls, reasoning = [], [], []
        for item in items:
            match item.get("type"):
                case "function_call":
                    arguments = item.get("arguments") or self._arguments.get(item.get("id"), "")
                    calls.append(Call(item.get("call_id") or item["id"], item["name"], arguments))
                case "message":
                    blocks += _blocks(item)
                case "reasoning":
                    reasoning.append(item)
        if not items:  # there are servers that end with nothing but a status
            blocks = [text_block(text) for text in self._texts.values() if text]
        return Turn(
            blocks=blocks,
            calls=calls,
            reasoning=reasoning,
            usage=_usage(response.get("usage") or {}),
            cut_short=response.get("status") == "incomplete",
        )


def sound(text: str) -> str:
    """Return a text with a ``?`` for each half of a character: JSON can say one, UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, dict):
        return {sound(key): _sound(each) for key, each in value.items()}
    return [_sound(each) for each in value] if isinstance(value, list) else value


def text_block(text: str) -> TextContentBlock:
    """Return a message's text as the Assistants API writes it."""
    return TextContentBlock(type="text", text=Text(value=text, annotations=[]))


def _blocks(message: dict[str, Any]) -> list[MessageContent]:
    blocks = []
    for part in message.get("content") or []:
        if part.get("type") == "refusal":
            blocks.append(RefusalContentBlock(type="refusal", refusal=part["refusal"]))
        elif part.get("text"):
            blocks.append(text_block(part["text"]))
    return blocks


def _usage(usage: dict[str, Any]) -> dict[str, int]:
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": usage.get("total_tokens") or read + written,
    }


def _failure(error: Any) -> UpstreamError:
    told = error if isinstance(error, dict) else {"message": error}
    message = str(told.get("message") or "The model's server gave no reason.")
    limited = told.get("code") == "rate_limit_exceeded"
    return UpstreamError(message, "rate_limit_exceeded" if limited else "server_error")
