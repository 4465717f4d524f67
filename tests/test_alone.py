"""``python -m assistants_server``: what it prints, logs and refuses, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import pytest
from openai import OpenAI

from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.upstream import completed, send_events, send_json, upstream

TOKEN = "a-token-of-my-own-choice"
SECONDS = 60  # to start or to end, on a machine that is busy
SECRET = "canary-of-a-private-prompt"


@contextmanager
def alone(
    database: Path, *options: str, stderr: IO | int = subprocess.PIPE, **environment: str
) -> Iterator[subprocess.Popen]:
    """Start the server alone; yield the process, with its `base_url` and `token`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "assistants_server", "--port", "0", "--db", str(database), *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        process.said = ""
        while "Ctrl+C" not in process.said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            process.said += line
        process.base_url = re.search(r"OPENAI_BASE_URL=(\S+)", process.said)[1]
        process.token = re.search(r"OPENAI_API_KEY=(.+)", process.said)[1]
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=SECONDS)


def refusal(*options: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "assistants_server", "--port", "0", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


def logged(process: subprocess.Popen) -> list[dict]:
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    return [json.loads(line) for line in errors.splitlines()]


def test_it_says_who_answers_and_logs_no_contents(tmp_path):
    with alone(tmp_path / "a.db") as process:
        assert "the tutor answers (offline)" in process.said
        with httpx2.Client() as http:
            health = http.get(process.base_url.replace("/v1", "/health"))
            assert health.json() == {"status": "ok", "mode": "offline"}
            assert http.get(f"{process.base_url}/assistants").status_code == 401
        client = OpenAI(base_url=process.base_url, api_key=process.token)
        assistant = client.beta.assistants.create(model=MODEL, name=SECRET, instructions=SECRET)
        run = client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": f"Solve 2x = 8. {SECRET}"}]},
            poll_interval_ms=5,
        )
        assert run.status == "completed"
        lines = logged(process)
    assert {"event": "run", "run": run.id, "status": "completed"}.items() <= next(
        line for line in lines if line["event"] == "run"
    ).items()
    requests = [line for line in lines if line["event"] == "request"]
    assert (requests[0]["path"], requests[0]["status"]) == ("/health", 200)
    assert (requests[1]["path"], requests[1]["status"]) == ("/v1/assistants", 401)
    assert {"time", "level", "method", "ms"} <= set(requests[0])
    everything = json.dumps(lines)
    assert SECRET not in everything
    assert process.token not in everything


def test_with_a_key_a_model_answers(tmp_path):
    def answer(handler, body):
        if handler.path.endswith("/models"):
            send_json(handler, 200, {"data": []})
        else:
            send_events(handler, completed("Hi from the model."))

    with upstream(answer) as model:
        key = {"OPENAI_API_KEY": model.api_key, "OPENAI_BASE_URL": model.base_url}
        with alone(tmp_path / "a.db", **key) as process:
            assert f"a model at {model.base_url} answers (live)" in process.said
            health = httpx2.get(process.base_url.replace("/v1", "/health"))
            assert health.json()["mode"] == "live"
            client = OpenAI(base_url=process.base_url, api_key=process.token)
            assistant = client.beta.assistants.create(model=MODEL)
            run = client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id, poll_interval_ms=5
            )
            messages = client.beta.threads.messages.list(run.thread_id).data
            assert messages[0].content[0].text.value == "Hi from the model."
            assert model.api_key not in process.said + json.dumps(logged(process))


def test_a_model_that_is_away_is_said_at_once(tmp_path):
    with upstream(lambda *_: None) as gone:
        pass
    key = {"OPENAI_API_KEY": gone.api_key, "OPENAI_BASE_URL": gone.base_url}
    with alone(tmp_path / "a.db", **key) as process:
        process.terminate()
        assert (
            "It does not answer (ConnectError). Look at OPENAI_BASE_URL." in process.stderr.read()
        )


def test_its_own_address_is_no_model(tmp_path):
    with alone(tmp_path / "a.db") as process:
        port = process.base_url.rpartition(":")[2].removesuffix("/v1")
    for name in ("127.0.0.1", "localhost"):
        own = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"http://{name}:{port}/v1"}
        said = refusal("--port", port, "--db", str(tmp_path / "b.db"), **own)
        assert "OPENAI_BASE_URL names this server itself. Unset it" in said


def test_others_may_come_in_only_with_a_token_that_was_chosen(tmp_path):
    database = str(tmp_path / "a.db")
    assert "Set ASSISTANTS_TOKEN" in refusal("--host", "0.0.0.0", "--db", database)
    assert "at least 16" in refusal("--db", database, ASSISTANTS_TOKEN="short")
    with alone(tmp_path / "a.db", "--host", "0.0.0.0", ASSISTANTS_TOKEN=TOKEN) as process:
        assert TOKEN not in process.said
        local = process.base_url
        assert local.startswith("http://127.0.0.1:"), "no client can use 0.0.0.0"
        assert "On other machines, put the name or the address of this one" in process.said
        assert OpenAI(base_url=local, api_key=TOKEN).beta.assistants.list().data == []
        with pytest.raises(Exception, match="Incorrect token"):
            OpenAI(base_url=local, api_key="another-token-altogether").beta.assistants.list()


def test_settings_that_cannot_be_used_are_said_at_once(tmp_path):
    said = refusal("--db", str(tmp_path / "a.db"), OPENAI_API_KEY=f"{SECRET}\n")
    assert "OPENAI_API_KEY has a line break" in said
    assert SECRET not in said


def test_an_address_without_a_key_is_not_silently_offline(tmp_path):
    with alone(tmp_path / "a.db", OPENAI_BASE_URL="http://localhost:11434/v1") as process:
        assert "the tutor answers (offline)" in process.said
        process.terminate()
        assert "OPENAI_BASE_URL is set but OPENAI_API_KEY is not" in process.stderr.read()


def test_a_run_that_is_stopped_is_marked(tmp_path):
    with alone(tmp_path / "a.db", ASSISTANTS_TOKEN=TOKEN) as process:
        client = OpenAI(base_url=process.base_url, api_key=TOKEN)
        assistant = client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])
        code = "Run this code:\n```python\nimport time; time.sleep(600)\n```"
        run = client.beta.threads.create_and_run(
            assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": code}]}
        )
        until(lambda: client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=SECONDS)
    with alone(tmp_path / "a.db", ASSISTANTS_TOKEN=TOKEN) as process:
        client = OpenAI(base_url=process.base_url, api_key=TOKEN)
        run = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        assert (run.status, run.last_error.code) == ("failed", "server_error")
        assert "stopped" in run.last_error.message


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_names_of_this_machine(tmp_path, host):
    try:
        with alone(tmp_path / "a.db", "--host", host) as process:
            client = OpenAI(base_url=process.base_url, api_key=process.token)
            assert client.beta.assistants.list().data == []
    except AssertionError as error:
        if "cannot listen" not in str(error):
            raise
        pytest.skip(f"this machine does not listen on {host}")
