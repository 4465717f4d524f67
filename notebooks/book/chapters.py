"""The notebooks, in the order they are read."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent.parent
ROOT = NOTEBOOKS.parent


def chapters() -> list[Path]:
    """Return the paths of the notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def write(notebook: NotebookNode, path: Path) -> None:
    nbformat.write(notebook, path)


def title(notebook: NotebookNode) -> str:
    """Return the text of the first heading."""
    for cell in notebook.cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else []:
            if line.startswith("# "):
                return line.removeprefix("# ").strip()
    raise ValueError("a notebook without a heading")


def question(notebook: NotebookNode) -> str:
    """Return the question that the notebook opens with: its first quoted line."""
    for cell in notebook.cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else []:
            if line.startswith("> "):
                return line.removeprefix("> ").strip("* ")
    raise ValueError("a notebook without a question")
