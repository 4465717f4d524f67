"""The code interpreter through the API: what goes in, what comes out, what lasts."""

import pytest
from openai import NotFoundError, OpenAI

from tests.attacks.waiting import until
from tests.conftest import MODEL
from tests.strict import check

CSV = b"name,mark\na,1\nb,2\nc,6\n"


@pytest.fixture
def coder(client: OpenAI):
    return client.beta.assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}])


@pytest.fixture
def ask(client: OpenAI, coder, thread):
    """Return a function that asks, and returns the newest message and the run's calls."""

    def ask(question, thread=thread, **message):
        client.beta.threads.messages.create(thread.id, role="user", content=question, **message)
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=coder.id, poll_interval_ms=5
        )
        assert run.status == "completed", run.last_error
        steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
        for step in steps:
            check(step.to_dict(), type(step))
        calls = [c for s in steps if s.type == "tool_calls" for c in s.step_details.tool_calls]
        return client.beta.threads.messages.list(thread.id, limit=1).data[0], calls

    return ask


def code(text):
    return f"Run this code:\n```python\n{text}\n```"


def logs(call):
    return "".join(o.logs for o in call.code_interpreter.outputs if o.type == "logs")


@pytest.mark.parametrize(
    ("question", "printed"),
    [
        ("Generate the first 20 fibbonaci numbers with code.", "2584, 4181]"),
        ("The first 7 Fibonacci numbers, please", "[0, 1, 1, 2, 3, 5, 8]"),
        ("List the primes below 20", "[2, 3, 5, 7, 11, 13, 17, 19]"),
        ("the first 5 primes", "[2, 3, 5, 7, 11]"),
        ("What is the factorial of 20?", "2432902008176640000"),
        ("A table of x^2 for x from 1 to 3", "3              9"),
        ("The multiplication table up to 3", "3    6    9"),
    ],
)
def test_the_tutors_code_is_really_run(ask, question, printed):
    message, (call,) = ask(question)
    assert printed in logs(call)
    assert printed in message.content[0].text.value


def test_printed_output_the_last_value_and_the_error_in_order(ask):
    _, (call,) = ask(code("print('one')\n1 + 1"))
    assert logs(call) == "one\n2"
    _, (call,) = ask(code("print('one')\n1 / 0"))
    assert logs(call).startswith("one\n")
    assert logs(call).endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in logs(call)
    assert "site-packages" not in logs(call)


def test_variables_last_in_a_thread_and_nowhere_else(client, ask):
    ask(code("secret = 42"))
    _, (call,) = ask(code("print(secret)"))
    assert logs(call) == "42"
    _, (call,) = ask(code("print(secret)"), thread=client.beta.threads.create())
    assert "NameError" in logs(call)


def test_figures_are_files_and_stand_in_the_message(client, ask):
    message, (call,) = ask("Plot sin(x) from -3 to 3")
    (output,) = call.code_interpreter.outputs
    image, text = message.content
    assert (output.type, image.type, text.type) == ("image", "image_file", "text")
    assert image.image_file.file_id == output.image.file_id
    assert client.files.content(output.image.file_id).read().startswith(b"\x89PNG")


def test_files_in_by_attachment_and_out_by_annotation(client, ask):
    file = client.files.create(file=("marks.csv", CSV), purpose="assistants")
    message, _ = ask(
        "Give me the statistics of this CSV and save them to a file",
        attachments=[{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}],
    )
    text = message.content[0].text
    assert "mean 3.0" in text.value
    (annotation,) = text.annotations
    assert annotation.type == "file_path"
    assert text.value[annotation.start_index : annotation.end_index] == annotation.text
    written = client.files.retrieve(annotation.file_path.file_id)
    assert (written.filename, written.purpose) == ("summary.csv", "assistants_output")
    assert b"mark,3,3.0" in client.files.content(written.id).read()


def test_files_of_the_assistant_and_of_the_thread(client, coder):
    files = [
        client.files.create(file=(name, name.encode()), purpose="assistants")
        for name in ("a.txt", "../b.txt")
    ]
    resources = [{"code_interpreter": {"file_ids": [file.id]}} for file in files]
    client.beta.assistants.update(coder.id, tool_resources=resources[0])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=coder.id,
        thread={
            "tool_resources": resources[1],
            "messages": [
                {"role": "user", "content": code("import glob; print(sorted(glob.glob('*')))")}
            ],
        },
        poll_interval_ms=5,
    )
    (step, _) = client.beta.threads.runs.steps.list(
        run.id, thread_id=run.thread_id, order="asc"
    ).data
    assert logs(step.step_details.tool_calls[0]) == "['a.txt', 'b.txt']"


def test_a_step_is_in_progress_while_the_code_runs(client, coder, thread):
    client.beta.threads.messages.create(
        thread.id, role="user", content=code("import time; time.sleep(600)")
    )
    run = client.beta.threads.runs.create(thread.id, assistant_id=coder.id)
    (step,) = until(lambda: client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data)
    assert (step.type, step.status) == ("tool_calls", "in_progress")
    (call,) = step.step_details.tool_calls
    assert "sleep" in call.code_interpreter.input
    assert call.code_interpreter.outputs == []
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)


def test_cancelling_stops_the_code_and_keeps_the_kernel(client, coder, thread, ask):
    ask(code("kept = 1"))
    client.beta.threads.messages.create(
        thread.id, role="user", content=code("import time; time.sleep(60)")
    )
    run = client.beta.threads.runs.create(thread.id, assistant_id=coder.id)
    until(lambda: client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data)
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    run = client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=10)
    assert run.status == "cancelled"
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.status == "cancelled"
    client.beta.threads.messages.create(thread.id, role="assistant", content="Stopped.")
    _, (call,) = ask(code("print(kept)"))
    assert logs(call) == "1"


def test_the_include_parameter_is_accepted(client, thread, ask):
    ask("Solve 2x = 8")
    run = client.beta.threads.runs.list(thread.id).data[0]
    include = ["step_details.tool_calls[*].file_search.results[*].content"]
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, include=include).data
    client.beta.threads.runs.steps.retrieve(
        steps[0].id, run_id=run.id, thread_id=thread.id, include=include
    )


def test_deleting_the_thread_removes_its_folder(client, thread, ask, database):
    ask(code("open('left.txt', 'w').write('x')"))
    (folder,) = database.parent.glob(f"assistants.db.threads/*/{thread.id}")
    assert (folder / "left.txt").exists()
    client.beta.threads.delete(thread.id)
    assert not folder.exists()
    with pytest.raises(NotFoundError):
        client.beta.threads.retrieve(thread.id)


def test_without_the_tool_the_tutor_says_what_is_missing(client, assistant, thread):
    client.beta.threads.messages.create(
        thread.id, role="user", content="The first 20 fibbonaci numbers, please"
    )
    client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=5
    )
    text = client.beta.threads.messages.list(thread.id, limit=1).data[0].content[0].text.value
    assert "code_interpreter" in text
