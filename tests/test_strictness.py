"""The comparison of outputs is strict: one changed character is noticed, in every cell."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import NotebookNode

from notebooks.book.chapters import NOTEBOOKS, ROOT, chapters, read, write

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


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of all that the notebooks need."""
    for room in ("helpers", "assistants_server"):
        shutil.copytree(ROOT / room, tmp_path / room)
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    return tmp_path


def nbval(*notebooks: Path) -> tuple[set[str], set[str]]:
    """Return the cells that passed and those that failed, as ``name::cell``."""
    options = ["--nbval", "--nbval-current-env", "-rA", "-q", "-p", "no:cacheprovider"]
    sanitize = f"--nbval-sanitize-with={SANITIZE}"
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            "/dev/null",
            *options,
            sanitize,
            *map(str, notebooks),
        ],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=notebooks[0].parent,
    )
    lines = re.findall(r"^(PASSED|FAILED) \S*?(\w+)\.ipynb::Cell (\d+)", ended.stdout, re.M)
    assert lines, ended.stdout + ended.stderr
    verdicts = {"PASSED": set(), "FAILED": set()}
    for verdict, name, number in lines:
        verdicts[verdict].add(f"{name}::{number}")
    return verdicts["PASSED"], verdicts["FAILED"]


def test_one_changed_character_in_any_output_is_noticed(book):
    expected_failures, expected_passes, copies = set(), set(), []
    for original in chapters():
        notebook = read(original)
        code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for number, cell in enumerate(code_cells):
            name = f"{original.stem}::{number}"
            checked = "nbval-ignore-output" not in cell.metadata.get("tags", [])
            if cell.outputs and checked:
                # A different output for each cell in turn, so that not only the first are tried.
                change_one_character(cell.outputs[number % len(cell.outputs)])
                expected_failures.add(name)
            else:
                expected_passes.add(name)
        copies.append(book / "notebooks" / original.name)
        write(notebook, copies[-1])
    passed, failed = nbval(*copies)
    assert failed == expected_failures
    assert passed == expected_passes
