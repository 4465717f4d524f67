"""The tutor's processes: killed, kept busy, left alone, and never in anybody's way."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from assistants_server.offline import tutor_process, tutors
from assistants_server.offline.question_queue import Busy, Closed, QuestionQueue
from assistants_server.offline.tutor_process import KEPT, SETTINGS, Ended, TutorProcess
from assistants_server.offline.tutors import Tutors
from assistants_server.tutor import Conversation, Message, Reply, pipe, process_limits
from assistants_server.tutor.refusals import TOO_HARD
from assistants_server.web.errors import ApiError
from tests.conftest import MODEL, ROOT
from tests.upstream import CANARY_KEY

BOUND = 30  # seconds, within which what is waited for must happen
EASY = "Solve 2x = 8"
HARD = "x^x^x^x^x = 2"  # takes more calls than there are, and so some seconds
ENDLESS = "integrate 1/(x^60 + x^59 + 1)"  # takes minutes in few calls


def conversation(text: str) -> Conversation:
    return Conversation("", (Message("user", text),))


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.01)


@asynccontextmanager
async def open_queue(
    seconds: float = process_limits.SECONDS, most_waiting: int = 10
) -> AsyncIterator[QuestionQueue]:
    """A queue whose tutor has started, and has answered a question."""
    questions = QuestionQueue("tutor", process_limits.CALLS, seconds, most_waiting, ahead=True)
    try:
        await questions.ask(conversation(EASY))
        yield questions
    finally:
        questions.close()


def is_right(reply: Reply) -> bool:
    return "x = 4" in reply.text


def test_a_process_killed_in_the_middle_is_started_again_and_the_question_answered():
    async def ask_and_kill() -> None:
        async with open_queue() as one:
            process = psutil.Process(one.tutor.pid)
            process.suspend()
            asked = [asyncio.create_task(one.ask(conversation(EASY))) for _ in range(2)]
            await asyncio.sleep(0)
            wait_until(lambda: one._waiting.qsize() == 1)
            process.kill()
            assert all(map(is_right, await asyncio.gather(*asked)))
            assert one.tutor.pid != process.pid

    asyncio.run(ask_and_kill())


def test_a_question_that_ends_the_process_twice_is_declined_in_words(monkeypatch):
    times = []

    def end(tutor: TutorProcess, question: pipe.Question, seconds: float) -> pipe.Answer:
        times.append(question)
        raise Ended

    async def ask() -> Reply:
        async with open_queue() as one:
            monkeypatch.setattr(TutorProcess, "ask", end)
            return await one.ask(conversation(EASY))

    assert asyncio.run(ask()).text == TOO_HARD.full()
    assert len(times) == 2


def test_a_question_that_takes_too_long_is_given_up_and_the_next_one_answered():
    async def ask() -> None:
        async with open_queue(seconds=1) as one:
            assert await one.ask(conversation(ENDLESS)) is None
            assert is_right(await one.ask(conversation(EASY)))

    asyncio.run(ask())


def test_more_questions_than_may_wait_are_refused():
    async def ask() -> None:
        async with open_queue(most_waiting=2) as one:
            psutil.Process(one.tutor.pid).suspend()
            first = asyncio.create_task(one.ask(conversation(EASY)))
            await asyncio.sleep(0)
            wait_until(lambda: one._waiting.qsize() == 0)
            rest = [asyncio.create_task(one.ask(conversation(EASY))) for _ in range(3)]
            (refused,), waiting = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
            assert isinstance(refused.exception(), Busy)
            psutil.Process(one.tutor.pid).resume()
            assert all(map(is_right, await asyncio.gather(first, *waiting)))

    asyncio.run(ask())


def test_a_closed_queue_leaves_no_process_and_answers_nobody():
    async def ask() -> None:
        async with open_queue() as one:
            process = psutil.Process(one.tutor.pid)
            asked = [asyncio.create_task(one.ask(conversation(HARD))) for _ in range(3)]
            await asyncio.sleep(0)
            one.close()
            assert not process.is_running()
            said = await asyncio.gather(*asked, one.ask(conversation(EASY)), return_exceptions=True)
            assert all(isinstance(each, Closed) for each in said)

    asyncio.run(ask())


def test_a_tutor_that_cannot_be_started_is_an_error_that_says_what_to_do(monkeypatch):
    """SymPy is missing, for example: nobody waits for it."""
    monkeypatch.setattr(tutor_process, "PACKAGES", ("assistants_server", "no_such_package"))

    async def ask() -> None:
        made = Tutors()
        monkeypatch.setattr(tutors, "_tutors", made)
        try:
            for _ in range(2):
                with pytest.raises(ApiError, match=r"requirements\.lock") as error:
                    await asyncio.wait_for(tutors.ask(conversation(EASY)), BOUND)
                assert error.value.status == 503
        finally:
            made.close()

    asyncio.run(ask())


@pytest.fixture
def own_tutors(monkeypatch) -> Iterator[Tutors]:
    """Tutors that no other test has to wait for."""
    made = Tutors()
    monkeypatch.setattr(tutors, "_tutors", made)
    yield made
    made.close()


def test_twenty_hard_questions_at_once_keep_nobody_elses_waiting(own_tutors, server, client):
    def ask(question: str) -> str:
        headers = {"Authorization": f"Bearer {server.token}"}
        body = {"model": MODEL, "input": question}
        url = f"{server.base_url}/responses"
        return httpx2.post(url, json=body, headers=headers, timeout=120).text

    with ThreadPoolExecutor(20) as pool:
        hard = [pool.submit(ask, HARD) for _ in range(20)]
        health = f"{server.base_url.removesuffix('/v1')}/health"
        for _ in range(5):
            assert "x = 4" in ask(EASY)
            assert httpx2.get(health).status_code == 200
        waiting = [each for each in hard if not each.done()]
        own_tutors.close()
        said = [each.result() for each in hard]
    assert len(waiting) > 10
    assert all("more than the offline tutor" in each or "stopping" in each for each in said)


def test_the_process_has_nothing_of_the_servers_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY_KEY)
    tutor = TutorProcess()
    try:
        tutor.start()
        process = psutil.Process(tutor.pid)
        # LC_CTYPE is Python's own.
        assert set(process.environ()) <= {*KEPT, *SETTINGS, "LC_CTYPE"}
        assert Path(process.cwd()) != Path.cwd()
    finally:
        tutor.end()


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads limits on Linux only")
def test_the_process_has_limits_on_memory_and_on_the_time_of_a_question():
    tutor = TutorProcess()
    try:
        for _ in range(2):
            tutor.ask(pipe.Question(conversation(EASY), process_limits.CALLS), BOUND)
        process = psutil.Process(tutor.pid)
        assert process.rlimit(psutil.RLIMIT_AS)[0] == process_limits.MEMORY_BYTES
        assert process.rlimit(psutil.RLIMIT_CPU)[0] <= process_limits.CPU_SECONDS + BOUND
    finally:
        tutor.end()


NOISY = """
import sys
from assistants_server.tutor import Reply, worker
import assistants_server.tutor.answering as module

def noisy(conversation, most_calls):
    print("noise")
    sys.stdout.flush()
    return Reply("answer")

module.answer = noisy
worker.main()
"""


def test_what_is_printed_does_not_get_among_the_answers():
    process = subprocess.Popen(
        [sys.executable, "-c", NOISY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert pipe.receive_answer(process.stdout) == pipe.Answer(None)
        for _ in range(2):
            pipe.send_question(
                process.stdin, pipe.Question(conversation(EASY), process_limits.CALLS)
            )
            assert pipe.receive_answer(process.stdout) == pipe.Answer(Reply("answer"))
    finally:
        process.kill()
        process.communicate()


ABANDONED = """
import sys
from assistants_server.offline.tutor_process import TutorProcess
from assistants_server.tutor import Conversation, Message, pipe
from assistants_server.tutor import process_limits

tutor = TutorProcess()
tutor.start()
print(tutor.pid, flush=True)
for text in sys.argv[1:]:
    tutor.ask(pipe.Question(Conversation("", (Message("user", text),)), process_limits.CALLS), 60)
sys.stdin.read()
"""


@pytest.mark.parametrize("questions", [[], [ENDLESS]], ids=["idle", "busy"])
def test_the_process_does_not_outlive_a_server_that_is_killed(questions):
    server = subprocess.Popen(
        [sys.executable, "-c", ABANDONED, *questions],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ},
    )
    try:
        tutor = psutil.Process(int(server.stdout.readline()))
        if questions:
            begun = sum(tutor.cpu_times()[:2])
            wait_until(lambda: sum(tutor.cpu_times()[:2]) > begun + 0.3)
    finally:
        server.kill()
        server.communicate()
    wait_until(lambda: not tutor.is_running())
