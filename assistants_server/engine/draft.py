"""What the model has said in a turn so far, on its way into messages and steps."""

from collections.abc import Mapping

from openai.types.beta.threads import MessageContent, Run

from assistants_server.engine import tools
from assistants_server.engine.deltas import code_so_far
from assistants_server.engine.records import Records
from assistants_server.engine.turn import CallBegun, CallPiece, Piece, TextPiece, Turn, text_block


class Draft:
    """Takes a turn piece by piece, so that who streams the run sees it grow; then as a whole.

    The pieces are what is shown on the way, the whole is what is kept.

    Args:
        written: ids of the files that code has written, by name.
    """

    def __init__(self, records: Records, run: Run, written: Mapping[str, str]) -> None:
        self._records = records
        self._run = run
        self._written = written
        self._texts: dict[int, str] = {}
        self._kinds: dict[int, str] = {}
        self._arguments: dict[int, str] = {}
        self._shown: dict[int, str] = {}
        self._closed = False

    @property
    def text(self) -> str:
        """What has been said, for a message that will not be finished."""
        return "\n".join(self._texts.values())

    def writes(self, piece: Piece) -> bool:
        """Return whether a piece begins a message or a step, which is written at once."""
        if isinstance(piece, TextPiece):
            return not self._kinds and not self._records.message_is_open
        return isinstance(piece, CallBegun)

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        match piece:
            case TextPiece():
                self._say(piece)
            case CallBegun():
                self._begin_call(piece)
            case CallPiece(number, arguments):
                self._arguments[number] = self._arguments.get(number, "") + arguments
                self._show_call(number)

    def finish(self, turn: Turn) -> None:
        """Write the whole turn."""
        if turn.blocks:
            self._write_message(turn)
        if turn.calls:
            for number, call in enumerate(turn.calls):
                if number not in self._kinds:
                    self._begin_call(CallBegun(number, call.id, call.name))
                self._arguments[number] = call.arguments
                self._show_call(number)
            recorded = [tools.as_recorded(call, self._run) for call in turn.calls]
            self._records.write_calls(recorded, turn.reasoning)
            self._records.note_usage(turn.usage)

    def _say(self, piece: TextPiece) -> None:
        if self._kinds:  # said after a call: it will be a message of its own, at the end
            return
        if not self._records.message_is_open:
            self._records.open_message()
        self._texts[piece.block] = self._texts.get(piece.block, "") + piece.text
        self._records.add_text(piece)

    def _begin_call(self, call: CallBegun) -> None:
        if not self._kinds:
            self._close_message()
            self._records.open_calls()
        kind = tools.kind(call, self._run)
        self._kinds[call.number] = kind
        self._records.begin_call(call.number, kind, call)

    def _close_message(self) -> None:
        if self._records.message_is_open:
            blocks = [text_block(text) for text in self._texts.values()]
            self._records.close_message(blocks, "completed", None, self._written)
            self._closed = True

    def _show_call(self, number: int) -> None:
        arguments, kind = self._arguments[number], self._kinds[number]
        if kind == "file_search":  # what is looked for is not told, as with OpenAI
            return
        so_far = code_so_far(arguments) if kind == "code_interpreter" else arguments
        shown = self._shown.get(number, "")
        if so_far.startswith(shown):
            self._records.add_to_call(number, kind, so_far.removeprefix(shown))
            self._shown[number] = so_far

    def _show_rest(self, number: int, block: MessageContent) -> None:
        """Tell what no piece has told: some servers send the text only when it is whole."""
        if not self._records.message_is_open:
            self._records.open_message()
        refusal = block.type == "refusal"
        whole, told = block.refusal if refusal else block.text.value, self._texts.get(number, "")
        if whole.startswith(told):
            self._records.add_text(TextPiece(number, whole.removeprefix(told), refusal))

    def _write_message(self, turn: Turn) -> None:
        if self._kinds:  # the message before the calls is written; what came later is not
            later = turn.blocks[len(self._texts) :] if self._closed else turn.blocks
            if later:
                self._records.add_message(later, self._written)
            return
        for number, block in enumerate(turn.blocks):
            self._show_rest(number, block)
        status = "incomplete" if turn.cut_short else "completed"
        usage = None if turn.calls else turn.usage
        self._records.close_message(turn.blocks, status, usage, self._written)
