"""``make run``: execute every notebook, and leave them as pages under ``build/``."""

import re
import shutil
import sys
import time
from pathlib import Path

from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from notebooks.book.chapters import ROOT, chapters, question, read, title
from notebooks.book.execute import execute, use_scratch_database
from notebooks.book.index import index_page

PAGES = ROOT / "build" / "html"


def run() -> int:
    """Execute and render all notebooks; return how many failed."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    use_scratch_database("run")
    entries, failures, begun = [], 0, time.perf_counter()
    for path in chapters():
        notebook = read(path)
        started = time.perf_counter()
        try:
            execute(notebook)
            verdict = "ok"
        except CellExecutionError as error:
            failures += 1
            verdict = f"FAILED\n{error}"
        seconds = time.perf_counter() - started
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        print(f"{path.stem:<28} {cells:>3} cells {seconds:>6.1f} s  {verdict}", flush=True)
        page = PAGES / f"{path.stem}.html"
        page.write_text(_render(notebook, path), encoding="utf-8")
        entries.append((page.name, title(notebook), question(notebook)))
    index = PAGES / "index.html"
    index.write_text(index_page(entries), encoding="utf-8")
    total = time.perf_counter() - begun
    print(f"\n{len(entries) - failures} passed, {failures} failed in {total:.1f} s")
    print(f"Read them at {index.relative_to(ROOT)}")
    return failures


def _render(notebook: NotebookNode, path: Path) -> str:
    # The template would fetch these from the network; no notebook of ours needs them.
    fetched = ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url")
    exporter = HTMLExporter(
        template_name="lab",
        embed_images=True,
        config=Config({"HTMLExporter": dict.fromkeys(fetched, "")}),
    )
    resources = {"metadata": {"path": str(path.parent), "name": title(notebook)}}
    html, _ = exporter.from_notebook_node(notebook, resources)
    html = re.sub(r'href="([\w]+)\.ipynb', r'href="\1.html', html)
    return re.sub(r'href="\.\./README\.md[^"]*"', 'href="index.html"', html)


if __name__ == "__main__":
    sys.exit(run())
