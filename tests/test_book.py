"""The notebooks as documents: links, navigation, order, and nothing in them that should not be."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from notebooks.book.chapters import ROOT, chapters, question, read, title
from notebooks.book.navigation import TAG, navigation_lines

CHAPTERS = chapters()
DOCUMENTS = [*CHAPTERS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
KEY = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|Bearer\s+[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|(?:OPENAI|ASSISTANTS|AGENTOPS)_API_KEY=[\"']?[A-Za-z0-9_-]{16,}"
)
HOME = re.compile(rf"(?:/home/|/Users/|/root/|[A-Z]:\\Users\\)\w*|{re.escape(str(ROOT))}")


def markdown(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text("utf-8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    links = LINK.findall(markdown(path))
    assert links
    for link in links:
        if link.startswith("https://"):
            assert path.suffix != ".ipynb" or not link.endswith((".png", ".svg", ".jpg"))
            continue
        target, _, anchor = unquote(link).partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{path.name} links to {link}"
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), f"{path.name} links to {link}"


@each_chapter
def test_pictures_are_ours_and_say_what_they_show(path):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", markdown(path))
    for words, source in pictures:
        assert source.startswith("images/")
        assert len(words) > 20, source
    for svg in (path.parent / source for _, source in pictures):
        assert "http" not in svg.read_text("utf-8").replace("http://www.w3.org", "")


@each_chapter
def test_the_navigation_is_what_the_script_writes(path):
    cells = read(path).cells
    line = navigation_lines()[path]
    assert [cells[0].source, cells[-1].source] == [line, line]
    assert [TAG in cell.metadata.get("tags", []) for cell in cells].count(True) == 2


@each_chapter
def test_it_opens_with_a_heading_and_a_question(path):
    notebook = read(path)
    assert title(notebook)
    assert question(notebook).endswith(("?", "?**"))
    assert markdown(path).count("\n# ") == 1


@each_chapter
def test_it_closes_with_what_we_learnt_and_exercises(path):
    assert re.findall(r"^## (What we learnt|Exercises)$", markdown(path), re.M) == [
        "What we learnt",
        "Exercises",
    ]


@each_chapter
def test_it_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in read(path).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@each_chapter
def test_outputs_show_no_warnings_and_no_folders(path):
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text
            assert not HOME.search(str(output)), output


@each_chapter
def test_a_stored_traceback_is_the_error_it_stores(path):
    """nbval compares an error's name and words but not its traceback, which is what is shown."""
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                assert output.traceback == [f"{output.ename}: {output.evalue}"]


@each_chapter
def test_nbval_passes_over_the_code_interpreters_figures_only(path):
    """Their bytes differ from machine to machine, and so does what the sandbox can keep out."""
    kinds = {
        kind
        for cell in read(path).cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    }
    unchecked = [c for c in read(path).cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    if path.stem == "06_code_interpreter":
        kinds.discard("image/png")
        assert len(unchecked) == 3  # what the code may not do, what is in force, their tokens
    else:
        assert not unchecked
    assert kinds <= {"text/plain", "text/html", "image/svg+xml"}


@each_chapter
def test_it_cleans_up(path):
    code = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    for kind in ("assistants", "threads"):
        if f".beta.{kind}.create(" in code:
            assert f".beta.{kind}.delete(" in code


@each_chapter
def test_it_leaves_a_trace(path):
    first, *_, last = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    assert f'start_trace("{path.stem.replace("_", "-")}")' in first
    assert last == "end_trace()"


@each_chapter
def test_nothing_is_installed_and_nothing_promised(path):
    text = "\n".join(cell.source for cell in read(path).cells).lower()
    for phrase in ("pip install", "coming soon", "stay tuned"):
        assert phrase not in text


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_holds_anything_that_looks_like_a_key():
    files = [path for path in tracked_files() if path.is_file()]
    assert len(files) > 50
    for path in files:
        text = path.read_text("utf-8", errors="replace")
        found = [key for key in KEY.findall(text) if path != Path(__file__)]
        assert not found, f"{path}: {found}"


def test_the_search_for_keys_finds_keys():
    for key in ("sk-" + "proj-abcdefghijklmnop1234", "OPENAI_API_KEY=" + "abcdefgh12345678"):
        assert KEY.search(key)


def test_the_rooms_import_one_way():
    """notebooks -> helpers -> assistants_server, and never back."""
    forbidden = {"assistants_server": ("helpers", "notebooks", "tests"), "helpers": ("notebooks",)}
    for room, others in forbidden.items():
        for path in (ROOT / room).rglob("*.py"):
            for other in others:
                pattern = rf"^\s*(?:from|import) {other}\b"
                assert not re.search(pattern, path.read_text("utf-8"), re.M), path


def test_env_example_names_every_variable():
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.M))
    used = set()
    for room in ("helpers", "assistants_server"):
        for path in (ROOT / room).rglob("*.py"):
            read = (
                r"(?:environ(?:\.get\(|\[)|_is\()\"([A-Z_]+)\""  # _is() of tracing's switches, too
            )
            used |= set(re.findall(read, path.read_text("utf-8")))
    assert used - {"SYSTEMROOT"} == named  # that one is Windows' own
