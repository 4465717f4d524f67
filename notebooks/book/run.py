"""``make run``: execute every notebook, and leave them as pages under ``build/``."""

import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from notebooks.book.chapters import ROOT, chapters, question, read, title
from notebooks.book.execute import execute
from notebooks.book.index import index_page

PAGES = ROOT / "build" / "html"
AT_A_TIME = 2


def run() -> int:
    """Execute and render all notebooks, some at a time; return how many failed."""
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        done = []
        for chapter in pool.map(_execute, chapters()):
            print(chapter.line, flush=True)
            _page(chapter.path).write_text(_render(chapter), encoding="utf-8")
            done.append(chapter)
    entries = [
        (_page(each.path).name, title(each.notebook), question(each.notebook)) for each in done
    ]
    index = PAGES / "index.html"
    index.write_text(index_page(entries), encoding="utf-8")
    failures = sum(each.failed for each in done)
    total = time.perf_counter() - begun
    print(f"\n{len(done) - failures} passed, {failures} failed in {total:.1f} s")
    print(f"Read them at {index.relative_to(ROOT)}")
    return failures


class Executed(NamedTuple):
    path: Path
    notebook: NotebookNode
    line: str
    failed: bool


def _execute(path: Path) -> Executed:
    notebook, started = read(path), time.perf_counter()
    try:
        execute(notebook, path.stem)
        verdict = "ok"
    except CellExecutionError as error:
        verdict = f"FAILED\n{error}"
    seconds = time.perf_counter() - started
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    line = f"{path.stem:<28} {cells:>3} cells {seconds:>6.1f} s  {verdict}"
    return Executed(path, notebook, line, failed=verdict != "ok")


def _page(path: Path) -> Path:
    return PAGES / f"{path.stem}.html"


@cache  # it compiles the templates; one thread may use it
def _exporter() -> HTMLExporter:
    # The template would fetch these from the network; no notebook of ours needs them.
    fetched = ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url")
    return HTMLExporter(
        template_name="lab",
        embed_images=True,
        config=Config({"HTMLExporter": dict.fromkeys(fetched, "")}),
    )


def _render(chapter: Executed) -> str:
    resources = {"metadata": {"path": str(chapter.path.parent), "name": title(chapter.notebook)}}
    html, _ = _exporter().from_notebook_node(chapter.notebook, resources)
    html = re.sub(r'href="([\w]+)\.ipynb', r'href="\1.html', html)
    return re.sub(r'href="\.\./README\.md[^"]*"', 'href="index.html"', html)


if __name__ == "__main__":
    sys.exit(run())
