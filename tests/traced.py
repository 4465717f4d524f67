"""A program that is traced, in parts: as a script, and as the cells of a notebook."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent

SET_UP = """
from helpers import (
    DISPLAY_QUIZ_TOOL, MODEL, answer_tool_calls, connect, create_thread_and_run, end_trace,
    get_response, show_trace, start_trace, submit_message, trace, wait_on_run,
)
from helpers.tracing.session import latest
from agentops import operation, tool

client = connect(tags=["cookbook"])
start_trace("traced", tags=["test"])
session = latest()
tutor = client.beta.assistants.create(
    model=MODEL, name="Math Tutor", tools=[{"type": "code_interpreter"}, DISPLAY_QUIZ_TOOL]
)
"""

# Without a server, for what is seen before anything is asked.
REMOTE = {"ASSISTANTS_BASE_URL": "http://127.0.0.1:9"}

A_RUN = """
thread, run = create_thread_and_run(client, tutor.id, "Solve 3x + 11 = 14")
run = wait_on_run(client, run, progress=False)
assert run.status == "completed"
"""

A_QUIZ = """
@tool
def display_quiz(title, questions):
    return ["a" for _ in questions]

@operation
def ask_for_a_quiz():
    run = submit_message(client, tutor.id, thread, "Make a quiz about fractions with 2 questions.")
    return answer_tool_calls(client, run, {"display_quiz": display_quiz}, progress=False).status

assert ask_for_a_quiz() == "completed"
"""

IN_A_THREAD = """
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(1) as pool:
    pool.submit(get_response, client, thread).result()
"""

ASYNC = """
from openai import AsyncOpenAI

async def ask_async():
    async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as asking:
        other = await asking.beta.threads.create(messages=[{"role": "user", "content": "2x = 8"}])
        return await asking.beta.threads.runs.create_and_poll(
            thread_id=other.id, assistant_id=tutor.id, poll_interval_ms=5
        )
"""

END = """
client.beta.threads.delete(thread.id)
client.beta.assistants.delete(tutor.id)
end_trace()
"""

AWAIT_IN_A_SCRIPT = 'import asyncio\nassert asyncio.run(ask_async()).status == "completed"\n'
AWAIT_IN_A_CELL = 'assert (await ask_async()).status == "completed"\n'

CELLS = [SET_UP, A_RUN, A_QUIZ, IN_A_THREAD, ASYNC, AWAIT_IN_A_CELL, END]
SCRIPT = [SET_UP, A_RUN, A_QUIZ, IN_A_THREAD, ASYNC, AWAIT_IN_A_SCRIPT, END]


def run_script(
    folder: Path, *parts: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the parts as one script, in `folder`, on a database in it."""
    script = folder / "script.py"
    script.write_text("\n".join(parts))
    return _python(folder, [str(script)], env)


def run_programs(
    folder: Path,
    programs: dict[str, str],
    env: dict[str, str] | None = None,
    set_up: str = SET_UP,
) -> dict[str, str]:
    """Run programs one after another in one process, after `set_up`; return what each printed.

    One that fails has printed its traceback, and the others go on.
    """
    parts = [
        "import os, traceback",
        *(
            f"print('=== {name}')\ntry:\n    exec({code!r}, dict(globals()))\n"
            "except BaseException:\n    print(traceback.format_exc())"
            for name, code in programs.items()
        ),
    ]
    done = run_script(folder, set_up, "end_trace()", *parts, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    _, *said = re.split(r"^=== (.+)\n", done.stdout, flags=re.MULTILINE)
    return dict(zip(said[::2], said[1::2]))


def run_notebook(
    folder: Path, *cells: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the parts as cells with ``jupyter nbconvert --execute``; the result is `done.ipynb`."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbformat.write(notebook, folder / "notebook.ipynb")
    command = ["--to", "notebook", "--execute", "notebook.ipynb", "--output", "done.ipynb"]
    return _python(folder, ["-m", "nbconvert", *command], env)


def outputs(folder: Path) -> list[tuple[str, str]]:
    """Return the stream outputs of the executed notebook: name and text."""
    notebook = nbformat.read(folder / "done.ipynb", as_version=4)
    return [
        (output.get("name", output.output_type), output.get("text", ""))
        for cell in notebook.cells
        for output in cell.outputs
    ]


def _python(
    folder: Path, arguments: list[str], env: dict[str, str] | None
) -> subprocess.CompletedProcess[str]:
    places = {"PYTHONPATH": str(ROOT), "ASSISTANTS_DB": str(folder / "assistants.db")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **places, **(env or {})},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
