"""The comparison of outputs is strict: one changed character is noticed, in every cell."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from notebooks.book.chapters import ROOT, chapters

SANITIZE = ROOT / "tests" / "sanitize.cfg"


def change_one_character(output: NotebookNode) -> None:
    """Change one character that no sanitizer covers."""
    if output.output_type == "stream":
        output.text = changed(output.text)
    elif output.output_type == "error":
        output.evalue = changed(output.evalue)
    else:
        kind = next(k for k in ("image/svg+xml", "text/html", "text/plain") if k in output.data)
        output.data[kind] = changed(output.data[kind])


def changed(text: str) -> str:
    covered = {
        position
        for pattern in re.findall(r"^regex: (.*)$", SANITIZE.read_text("utf-8"), re.M)
        for match in re.finditer(pattern, text)
        for position in range(*match.span())
    }
    free = [at for at, letter in enumerate(text) if at not in covered and not letter.isspace()]
    at = free[len(free) // 2]
    return f"{text[:at]}{'q' if text[at] != 'q' else 'k'}{text[at + 1 :]}"


class Replay:
    """A kernel for nbval that runs nothing: its answer to a cell is a list of outputs."""

    def __init__(self, outputs: list[NotebookNode]) -> None:
        said = [(output.output_type, output) for output in outputs]
        self._messages = [*said, ("status", {"execution_state": "idle"})]

    def is_alive(self) -> bool:
        return True

    def execute_cell_input(self, source: str, allow_stdin: bool) -> str:
        return "request"

    def await_reply(self, request: str, timeout: float) -> None:
        pass

    def get_message(self, stream: str, timeout: float) -> dict:
        kind, content = self._messages.pop(0)
        return {"msg_type": kind, "content": content, "parent_header": {"msg_id": "request"}}


def passes(cell: IPyNbCell, stored: NotebookNode, printed: list[NotebookNode]) -> bool:
    """Return whether nbval lets a stored cell pass when its code prints these outputs."""
    cell.cell = deepcopy(stored)  # nbval joins the streams of what it is given
    cell.parent.kernel = Replay(deepcopy(printed))
    try:
        cell.runtest()
    except NbCellError as error:
        if str(error) != "Cell outputs differ":
            raise
        return False
    return True


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_one_changed_character_in_any_output_is_noticed(path: Path, request):
    notebook = IPyNbFile.from_parent(request.session, path=path)
    notebook.setup_sanitize_files()
    for cell in notebook.collect():
        original = cell.cell
        assert passes(cell, original, original.outputs)
        is_checked = "nbval-ignore-output" not in original.metadata.get("tags", [])
        for number in range(len(original.outputs)):
            changed_cell = deepcopy(original)
            change_one_character(changed_cell.outputs[number])
            assert passes(cell, changed_cell, original.outputs) is not is_checked, cell.name
