"""``make refresh``: write the navigation lines, run the notebooks, and store their outputs."""

import sys
from pathlib import Path

from notebooks.book.chapters import chapters, read, write
from notebooks.book.execute import execute
from notebooks.book.navigation import navigate

METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def refresh(names: list[str]) -> None:
    """Refresh the notebooks whose names begin with one of `names`, or all of them."""
    navigate()
    for path in chapters():
        if not names or any(path.name.startswith(name) for name in names):
            _refresh(path)
            print(f"refreshed {path.name}", flush=True)


def _refresh(path: Path) -> None:
    notebook = read(path)
    execute(notebook, path.stem)
    notebook.metadata = METADATA
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
    write(notebook, path)


if __name__ == "__main__":
    refresh(sys.argv[1:])
