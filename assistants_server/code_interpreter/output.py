"""Collects the text and the figures that one call produces."""

import base64
from dataclasses import dataclass, field

from assistants_server.code_interpreter import sandbox_limits
from assistants_server.code_interpreter.channels import Message
from assistants_server.terminal_escapes import without_escapes

MOST = 2 * sandbox_limits.OUTPUT_CHARACTERS  # escape sequences included
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Output:
    """What one call has produced."""

    text: str = ""  # printed text, the value of the last expression and a traceback, in order
    images: list[bytes] = field(default_factory=list)  # PNG files
    notes: list[str] = field(default_factory=list)  # for example that a limit was reached

    def add(self, message: Message) -> None:
        """Add the output in a message. Code can forge messages, so every type is checked."""
        match message.kind, message.content:
            case "stream", {"text": str(text)}:
                self._write(text)
            case "execute_result" | "display_data", {"data": {"image/png": str(image)}}:
                self._draw(image)
            case "execute_result" | "display_data", {"data": {"text/plain": str(text)}}:
                self._write(f"{text}\n")
            case "error", {"traceback": [*lines]}:
                self._write(_own_frames([line for line in lines if isinstance(line, str)]))

    def logs(self) -> str:
        """Return the text, shortened and without escape sequences, and the notes."""
        return "\n".join(part for part in (_shortened(_plain(self.text)), *self.notes) if part)

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _write(self, text: str) -> None:
        self.text += text
        if len(self.text) > 2 * MOST:  # `logs` would leave the middle out anyway
            self.text = self.text[:MOST] + self.text[-MOST:]

    def _draw(self, image: str) -> None:
        if len(self.images) == sandbox_limits.IMAGES:
            self.note(f"More than {sandbox_limits.IMAGES} figures: the others were left out.")
            return
        try:
            png = base64.b64decode(image)
        except ValueError:
            return
        if png.startswith(PNG):
            self.images.append(png)


def _plain(text: str) -> str:
    """Return `text` as it reads after a terminal has displayed it.

    Escape sequences are removed. Of a line that was overwritten, as by a progress bar, the last
    state is kept: `"1%\\r2%"` becomes `"2%"`. Lone surrogates, which cannot be stored, become `"?"`.
    """
    text = without_escapes(text.encode(errors="replace").decode())
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _own_frames(traceback: list[str]) -> str:
    """Return a traceback with the frames of the model's code, without those of libraries."""
    blocks = _plain("\n".join(traceback)[:MOST]).split("\n\n")
    own = [block for block in blocks if not block.lstrip().startswith("File ")]
    lines = [line.rstrip() for block in own for line in block.splitlines()]
    return "\n".join(line for line in lines if line.strip("-")) + "\n"


def _shortened(text: str) -> str:
    text = text.rstrip("\n")
    if len(text) <= sandbox_limits.OUTPUT_CHARACTERS:
        return text
    half = sandbox_limits.OUTPUT_CHARACTERS // 2
    return f"{text[:half]}\n[... output left out ...]\n{text[-half:]}"
