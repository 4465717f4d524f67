"""What the model has said in a turn so far, on its way into messages and steps."""

from collections.abc import Callable

from openai.types.beta.threads import MessageContent

from assistants_server.engine.records import Records
from assistants_server.engine.turn import Block, CallBegun, Piece, Turn
from assistants_server.tools import Call, Toolbox


class Draft:
    """Takes a turn piece by piece, so that those who stream the run see it grow; then as a whole.

    The pieces are what is shown on the way, the whole is what is kept.
    """

    def __init__(self, records: Records, toolbox: Toolbox) -> None:
        self._records = records
        self._toolbox = toolbox
        self._blocks: list[Block] = []
        self._calls: dict[int, CallBegun] = {}
        self._streamers: dict[int, Callable[[str], str]] = {}

    def break_off(self) -> list[MessageContent]:
        """Return what has been said, for a message that will not be finished."""
        said = self._said()
        return self._records.content(said) if said else []

    def writes(self, piece: Piece) -> bool:
        """Return whether a piece begins a message or a step, which is written at once."""
        if isinstance(piece.of, Block):
            return not self._calls and not self._records.message_is_open
        return piece.of.number not in self._calls

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        if isinstance(piece.of, CallBegun):
            self._call(piece.of, piece.text)
        elif not self._calls:  # what is said after a call will be a message of its own, at the end
            self._say(piece.of, piece.text)

    def finish(self, turn: Turn) -> None:
        """Write the whole turn."""
        if self._calls:  # the message before the calls is written; what came later is not
            if later := turn.blocks[len(self._said()) :]:
                self._records.open_message()
                for number, whole in enumerate(later):
                    block = Block(number, refusal=whole.type == "refusal")
                    self._records.add_text(block, _text(whole))
                self._records.close_message(later)
        elif turn.blocks:
            # Some servers send a text only when it is whole.
            for number, whole in enumerate(turn.blocks):
                said = self._blocks[number] if number < len(self._blocks) else Block(number)
                said.refusal = whole.type == "refusal"
                self._say(said, _rest(_text(whole), said.text))
            usage = None if turn.calls else turn.usage
            self._records.close_message(turn.blocks, turn.cut_short, usage)
        for number, call in enumerate(turn.calls):
            begun = self._calls.get(number) or CallBegun(number, id=call.id, name=call.name)
            self._call(begun, _rest(call.arguments, begun.text))
        if turn.calls:
            made = [self._toolbox.find(call.name).record(call) for call in turn.calls]
            self._records.write_calls(made, turn.usage)

    def _said(self) -> list[MessageContent]:
        return [block.content for block in self._blocks if block.text]

    def _say(self, block: Block, text: str) -> None:
        if not self._records.message_is_open:
            self._records.open_message()
        if block.number == len(self._blocks):
            self._blocks.append(block)
        self._records.add_text(block, text)

    def _call(self, begun: CallBegun, arguments: str) -> None:
        if not self._calls:
            if self._records.message_is_open:
                self._records.close_message(self._said())
            self._records.open_calls()
        tool, number = type(self._toolbox.find(begun.name)), begun.number
        if number not in self._calls:
            self._calls[number], self._streamers[number] = begun, tool.streamer()
            empty = tool.details(Call(begun.id, begun.name, ""))
            self._records.publish_call(tool, number, empty, begun.id)
        if tool.streams:
            self._records.add_to_call(tool, number, self._streamers[number](arguments))


def _rest(whole: str, shown: str) -> str:
    """Return what of a text has not been shown; nothing if it is another text."""
    return whole[len(shown) :] if whole.startswith(shown) else ""


def _text(block: MessageContent) -> str:
    if block.type == "refusal":
        return block.refusal
    return block.text.value if block.type == "text" else ""
