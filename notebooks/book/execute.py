"""Executes a notebook in a kernel of its own."""

import os
import re
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode

from notebooks.book.chapters import NOTEBOOKS, ROOT

SECONDS_PER_CELL = 120


def execute(notebook: NotebookNode, name: str) -> None:
    """Run every cell and put its outputs into `notebook`, as a reader sees them.

    The kernel gets an empty database of its own under ``build/``, so that it neither sees nor
    touches the reader's, or that of a notebook that runs beside it.

    Args:
        name: what to call the database.

    Raises:
        CellExecutionError: a cell failed that is not tagged ``raises-exception``.
    """
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute(env={**os.environ, "ASSISTANTS_DB": str(scratch_database(name))})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _as_seen(output)


def scratch_database(name: str) -> Path:
    """Return where a database lies under ``build/`` that did not exist before."""
    database = ROOT / "build" / "scratch" / f"{name}.db"
    for old in database.parent.glob(f"{database.name}*"):
        if old.is_file():
            old.unlink()
    return database


def _as_seen(output: NotebookNode) -> None:
    if output.output_type == "stream":  # what a carriage return overwrites is not seen
        output.text = re.sub(r"[^\n]*\r(?!\n)", "", output.text)
    if "data" in output:  # a page has no kernel for a widget to talk to; its text stays
        output.data.pop("application/vnd.jupyter.widget-view+json", None)
    if output.output_type == "error":  # the last line; the rest names folders of this machine
        output.traceback = [f"{output.ename}: {output.evalue}"]
