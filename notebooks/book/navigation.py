"""Writes the line at the top and at the end of each notebook: previous, contents, next."""

from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from notebooks.book.chapters import chapters, read, title, write

TAG = "navigation"
CONTENTS = "[Contents](../README.md#the-notebooks)"


def navigation_lines() -> dict[Path, str]:
    """Return the line that belongs on each notebook."""
    paths = chapters()
    titles = {path: title(read(path)) for path in paths}
    lines = {}
    for previous, path, following in zip([None, *paths], paths, [*paths[1:], None], strict=False):
        parts = [CONTENTS]
        if previous:
            parts.insert(0, f"← [{titles[previous]}]({previous.name})")
        if following:
            parts.append(f"[{titles[following]}]({following.name}) →")
        lines[path] = " | ".join(parts)
    return lines


def navigate() -> None:
    """Write the lines into the notebooks, in place of the old ones, where they have changed."""
    for path, line in navigation_lines().items():
        notebook = read(path)
        old = [cell.source for cell in notebook.cells if _is_ours(cell)]
        if old != [line, line]:
            kept = [cell for cell in notebook.cells if not _is_ours(cell)]
            notebook.cells = [_cell(line), *kept, _cell(line)]
            write(notebook, path)


def _is_ours(cell: NotebookNode) -> bool:
    return TAG in cell.metadata.get("tags", [])


def _cell(line: str) -> NotebookNode:
    return new_markdown_cell(line, metadata={"tags": [TAG]})
