"""The code interpreter tool: its program, its outputs, its figures and files in messages."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal

from openai.types import FileObject, beta
from openai.types.beta import threads
from openai.types.beta.threads import runs
from openai.types.responses import FunctionToolParam

from assistants_server.marks import files_note
from assistants_server.store import NotFound
from assistants_server.tools.annotator import Places, beginning
from assistants_server.tools.tool import Call, Context, Tool, sound
from assistants_server.web.fields import Body
from assistants_server.web.shown import LeftOut

SCHEME, FOLDER = "sandbox:", "/mnt/data/"
NAME = r"[\w.,+@-]{0,255}"  # no file has a longer one
LINK = rf"(?:{SCHEME})?{FOLDER}{NAME}(?<=\w)"  # a full stop or comma behind it is not a part
LINK_BEGUN = f"{beginning(*SCHEME, *FOLDER, NAME)}|{beginning(*FOLDER, NAME)}"
BEGINNING = re.compile(r'\s*\{\s*"code"\s*:\s*"')
# Whole characters of a JSON text. The first half of a pair (d83d) waits for what follows it.
CHARACTERS = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[0-9a-fA-F]{4}|(?=[^\\]|\\[^u])))*"
)


class ImageFile(threads.ImageFile):
    detail: Annotated[Literal["auto", "low", "high"] | None, LeftOut] = None


class ImageFileBlock(threads.ImageFileContentBlock):
    image_file: ImageFile


class CodeInterpreterRequest(Body):
    type: Literal["code_interpreter"]


class CodeInterpreterTool(Tool):
    """Runs Python code in the kernel of the thread."""

    type = "code_interpreter"
    description = (
        "Run Python code in a Jupyter kernel that keeps its variables from call to call. "
        "You get what it prints, the value of its last expression, and its figures. Files are in "
        "the working directory; link to a file that you wrote as sandbox:/mnt/data/NAME."
    )
    properties = {"code": {"type": "string", "description": "the Python code"}}
    request_model = CodeInterpreterRequest
    settings_model = beta.CodeInterpreterTool
    record_model = runs.CodeInterpreterToolCall
    delta_model = runs.CodeInterpreterToolCallDelta
    streams = "input"

    async def offer(self) -> FunctionToolParam:
        """Return the tool, with the names of the files of the assistant and the thread.

        Those of messages are named where they are attached: what stands here is the beginning of
        every prompt, and a change of it would make all that follows new to a provider's cache.
        """
        names, offer = [], await super().offer()
        for file_id in self.context.resources(self.type, "file_ids"):
            with suppress(NotFound):  # deleted since
                names.append(self.context.store.get(FileObject, file_id).filename)
        if names:
            offer["description"] = f"{self.description} There are these files: {', '.join(names)}."
        return offer

    async def carry_out(self, call: Call) -> runs.CodeInterpreterToolCall:
        """Run the code; raise `NotFound` if one of the files that it can read has been deleted."""
        code = _code(call)
        if code is None:
            problem = 'The arguments must be JSON: {"code": "..."}. Nothing was run.'
            return self.record(call, outputs=[{"type": "logs", "logs": problem}])
        files = await self._files()
        result = await self.context.interpreter.run(self.context.thread_id, code, files)
        logs = [{"type": "logs", "logs": result.logs}] if result.logs else []
        images = [{"type": "image", "image": {"file_id": each}} for each in result.images]
        return self.record(call, outputs=[*logs, *images])

    async def _files(self) -> list[str]:
        """Return the ids of the files that the code can read, without repeats."""
        files = self.context.resources(self.type, "file_ids")
        messages = self.context.store.newest_first(
            threads.Message, self.context.thread_id, with_files=True
        )
        attached = [
            attachment.file_id
            async for message in messages
            for attachment in message.attachments or ()
            if any(tool.type == self.type for tool in attachment.tools or ())
            if attachment.file_id
        ]
        return list(dict.fromkeys([*files, *reversed(attached)]))

    @classmethod
    def note(cls, files: list[str]) -> str:
        return files_note(files) if files else ""

    @classmethod
    def details(cls, call: Call) -> dict[str, Any]:
        code = _code(call)
        return {"input": call.arguments if code is None else code, "outputs": []}

    @classmethod
    def output(cls, record: runs.CodeInterpreterToolCall, number: int, arguments: str) -> str:
        outputs = record.code_interpreter.outputs
        texts = [output.logs for output in outputs if output.type == "logs"]
        if figures := len(cls.content(record)):
            texts.append(f"[{figures} figure(s) drawn; the user will see them in your message]")
        return "\n".join(texts) or "[no output]"

    @classmethod
    def streamer(cls) -> Callable[[str], str]:
        return CodeReader().read

    @classmethod
    def outcome(cls, record: runs.CodeInterpreterToolCall) -> dict[str, Any]:
        outputs = enumerate(record.code_interpreter.outputs)
        return {"outputs": [{"index": number, **each.model_dump()} for number, each in outputs]}

    @classmethod
    def content(cls, record: runs.CodeInterpreterToolCall) -> list[threads.MessageContent]:
        """Return the figures that the code has drawn."""
        return [
            ImageFileBlock(type="image_file", image_file=ImageFile(file_id=output.image.file_id))
            for output in record.code_interpreter.outputs
            if output.type == "image"
        ]

    @classmethod
    def places(cls, context: Context, records: Sequence[runs.ToolCall]) -> Places | None:
        """Return the links to files that the thread's code has written."""
        written = context.interpreter.written(context.thread_id)
        if not written:
            return None
        return Places(
            "file_path", LINK, LINK_BEGUN, lambda link: written.get(link.rpartition("/")[2])
        )


TOOL = CodeInterpreterTool


class CodeReader:
    """Reads the program out of arguments that come piece by piece.

    >>> reader = CodeReader()
    >>> reader.read('{"code": "print(1)\\\\'), reader.read('npri')
    ('print(1)', '\\npri')
    """

    def __init__(self) -> None:
        self._unread = ""
        self._begun = False

    def read(self, piece: str) -> str:
        """Return what a piece adds to the program, without a character that is cut in two."""
        self._unread += piece
        if not self._begun:
            beginning = BEGINNING.match(self._unread)
            if beginning is None:
                return ""
            self._begun, self._unread = True, self._unread[beginning.end() :]
        found = CHARACTERS.match(self._unread)
        text = found[0] if found else ""
        self._unread = self._unread[len(text) :]
        return sound(json.loads(f'"{text}"', strict=False))


def _code(call: Call) -> str | None:
    """Return the program, or None if the arguments have none."""
    with suppress(ValueError):
        if isinstance(code := call.argument("code"), str):
            return sound(code)
    return None
