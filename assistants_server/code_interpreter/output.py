"""What one call printed and drew."""

import base64
import binascii
from dataclasses import dataclass, field

from assistants_server.code_interpreter import sandbox_limits
from assistants_server.code_interpreter.channels import Message
from assistants_server.code_interpreter.plain_text import plain

MOST = 2 * sandbox_limits.OUTPUT_CHARACTERS  # with escape sequences
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Output:
    """What one call printed and drew.

    Attributes:
        text: printed output, the last value, and the end of a traceback, in order.
        images: PNG files, as bytes.
        notes: what the server has to say about the call.
    """

    text: str = ""
    images: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Add what a message brings. What the code sends by hand may be anything."""
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
        """Return the text and the notes, made plain and short enough."""
        return "\n".join(part for part in (_shortened(plain(self.text)), *self.notes) if part)

    def _write(self, text: str) -> None:
        self.text += text
        if len(self.text) > 2 * MOST:  # its middle would be left out in any case
            self.text = self.text[:MOST] + self.text[-MOST:]

    def _draw(self, image: str) -> None:
        if len(self.images) == sandbox_limits.IMAGES:
            self.note(f"More than {sandbox_limits.IMAGES} figures: the others were left out.")
            return
        try:
            png = base64.b64decode(image)
        except (ValueError, binascii.Error):
            return
        if png.startswith(PNG):
            self.images.append(png)

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _own_frames(traceback: list[str]) -> str:
    """Return a traceback with the frames of the code itself, not those of the libraries below."""
    blocks = plain("\n".join(traceback)[:MOST]).split("\n\n")
    own = [block for block in blocks if not block.lstrip().startswith("File ")]
    lines = [line.rstrip() for block in own for line in block.splitlines()]
    return "\n".join(line for line in lines if line.strip("-")) + "\n"


def _shortened(text: str) -> str:
    text = text.rstrip("\n")
    if len(text) <= sandbox_limits.OUTPUT_CHARACTERS:
        return text
    half = sandbox_limits.OUTPUT_CHARACTERS // 2
    return f"{text[:half]}\n[... output left out ...]\n{text[-half:]}"
