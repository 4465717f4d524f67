"""The helpers that the notebooks import."""

import subprocess
import sys
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.beta.threads import Message

import helpers
from helpers import (
    RunNotCompleted,
    create_thread_and_run,
    get_response,
    pretty_print,
    show_json,
    submit_message,
    wait_on_run,
)

ROOT = Path(__file__).parent.parent


def test_a_conversation(client: OpenAI, assistant, capsys):
    thread, run = create_thread_and_run(client, assistant.id, "Solve 3x + 11 = 14")
    assert run.status == "queued"
    assert wait_on_run(client, run).status == "completed"
    wait_on_run(client, submit_message(client, assistant.id, thread, "Thank you!"))
    pretty_print(get_response(client, thread))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["user", "assistant"] * 2
    assert "x = 1" in lines[1]


def test_wait_on_run_raises_with_the_reason(client: OpenAI, assistant):
    _, run = create_thread_and_run(client, assistant.id, "Count slowly to 100")
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    with pytest.raises(RunNotCompleted, match=f"Run {run.id} ended as cancelled") as error:
        wait_on_run(client, run)
    assert error.value.run.status == "cancelled"


def test_wait_on_run_names_last_error():
    from openai.types.beta.threads import Run

    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    run = Run.construct(id="run_1", status="failed", last_error=error, incomplete_details=None)
    run.last_error = type("LastError", (), error)()
    with pytest.raises(RunNotCompleted, match=r"failed: Slow down \(rate_limit_exceeded\)"):
        wait_on_run(None, run)


def test_wait_on_run_gives_up_after_its_timeout(client: OpenAI, assistant):
    _, run = create_thread_and_run(client, assistant.id, "Count slowly to 1000")
    with pytest.raises(TimeoutError, match=f"Run {run.id} was still (queued|in_progress)"):
        wait_on_run(client, run, timeout=0.2)
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)  # the run itself goes on


def test_progress_leaves_one_line(client: OpenAI, assistant, capsys):
    _, run = create_thread_and_run(client, assistant.id, "Count slowly to 8")
    wait_on_run(client, run, progress=True)
    out = capsys.readouterr().out
    assert "\r" in out
    seen = out.split("\r")[-1]
    assert seen.startswith("Run completed after ")
    assert seen.endswith(" s.\n")


def message(*content: dict) -> Message:
    return Message.construct(role="assistant", content=list(content))


def test_pretty_print_survives_images_and_nothing_at_all(client: OpenAI, thread, capsys):
    file = client.files.create(file=("cat.png", b"png"), purpose="vision")
    client.beta.threads.messages.create(
        thread.id,
        role="user",
        content=[
            {"type": "text", "text": "Look:"},
            {"type": "image_file", "image_file": {"file_id": file.id}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
    )
    pretty_print(get_response(client, thread))
    pretty_print([message()])
    assert capsys.readouterr().out == (
        f"user: Look:\n[image {file.id}]\n[image https://example.com/a.png]\nassistant: (empty)\n"
    )


def test_show_json(client: OpenAI, assistant, capsys):
    show_json(assistant, "name", "tools")
    assert capsys.readouterr().out == '{\n  "name": "Math Tutor",\n  "tools": []\n}\n'
    show_json(assistant)
    assert f'"id": "{assistant.id}"' in capsys.readouterr().out


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    import os

    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def test_connect_twice_is_one_server(tmp_path):
    # A program of its own: what AgentOps patches in the SDK stays patched.
    code = """
import contextlib, io, helpers
with contextlib.redirect_stdout(io.StringIO()) as said:
    first, second = helpers.connect(), helpers.connect()
assert first.base_url == second.base_url
assert "Offline: the scripted tutor answers." in said.getvalue()
assert first.api_key not in said.getvalue()
"""
    ended = run_python(code, ASSISTANTS_DB=str(tmp_path / "a.db"))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_script_ends_by_itself_and_quietly(tmp_path):
    ended = run_python(
        "import helpers; c = helpers.connect(); print(c.beta.assistants.list().data)",
        ASSISTANTS_DB=str(tmp_path / "a.db"),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("[]\n")
    assert list(tmp_path.glob("*.lock")) == []


def test_a_proxy_is_not_asked_for_this_machine(tmp_path):
    nowhere = "http://127.0.0.1:9"
    ended = run_python(
        "import helpers; c = helpers.connect();"
        "a = c.beta.assistants.create(model='gpt-6-luna'); helpers.start_trace('t');"
        "_, run = helpers.create_thread_and_run(c, a.id, 'Solve 2x = 8');"
        "print(helpers.wait_on_run(c, run).status); helpers.end_trace()",
        ASSISTANTS_DB=str(tmp_path / "a.db"),
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), nowhere),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1] == "completed"
    assert "Trace t: 1 run" in ended.stdout


def test_remote_mode_starts_no_assistants_api(server, tmp_path):
    ended = run_python(
        "import helpers, sys; c = helpers.connect(); print(c.beta.assistants.list().data);"
        "assert not {'assistants_server.app', 'assistants_server.engine'} & set(sys.modules)",
        ASSISTANTS_BASE_URL=server.base_url,
        ASSISTANTS_API_KEY=server.token,
        ASSISTANTS_DB=str(tmp_path / "never.db"),
    )
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "never.db").exists()


def test_a_database_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "notes.txt").write_text("my notes")
    ended = run_python(
        "import helpers; helpers.connect()", ASSISTANTS_DB=str(tmp_path / "notes.txt")
    )
    assert "left alone" in ended.stderr.splitlines()[-1]


def test_the_helpers_fit_into_one_sitting():
    def lines(pattern: str) -> int:
        return sum(len(path.read_text("utf-8").splitlines()) for path in ROOT.glob(pattern))

    assert lines("helpers/*.py") < 720
    assert lines("helpers/tracing/*.py") < 1800  # and this into another, with the traces' file


def test_files_and_folders_into_a_store(fresh_client: OpenAI, tmp_path, capsys):
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "groups.md").write_text("A group is a set with an operation.")
    (folder / "broken.pdf").write_bytes(b"%PDF nothing")
    (tmp_path / "fourier.txt").write_text("The Fourier transform finds frequencies.")
    store = helpers.upload_files(fresh_client, [folder, tmp_path / "fourier.txt"], "papers")
    assert (store.name, store.file_counts.completed, store.file_counts.failed) == ("papers", 2, 1)
    assert "broken.pdf could not be read: The PDF is broken" in capsys.readouterr().out
    assistant = fresh_client.beta.assistants.create(
        model="gpt-6-luna",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [store.id]}},
    )
    thread, run = create_thread_and_run(
        fresh_client, assistant.id, "What do the papers say of groups?"
    )
    wait_on_run(fresh_client, run)
    message = fresh_client.beta.threads.messages.list(thread.id).data[0]
    assert helpers.with_footnotes(fresh_client, message) == (
        "“A group is a set with an operation.” [1]\n\n"
        "[1] groups.md: A group is a set with an operation."
    )
    helpers.delete_store(fresh_client, store)
    assert fresh_client.files.list().data == []
    assert fresh_client.vector_stores.list().data == []


def test_a_folder_that_is_not_there(fresh_client: OpenAI, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        helpers.upload_files(fresh_client, [tmp_path / "nowhere"])
    assert fresh_client.vector_stores.list().data == []
