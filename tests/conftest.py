"""What the tests share: a server on an empty database, and clients for it.

The notebooks' kernels inherit this environment, so they too run offline and on a scratch database.
"""

import asyncio
import functools
import os
import ssl
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

for name in (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "ASSISTANTS_BASE_URL",
    "AGENTOPS_API_KEY",
    "AGENTOPS_ENV_DATA_OPT_OUT",
    "TRACELOOP_TRACE_CONTENT",
    "TRACE_PRINTS",
    "OTEL_SDK_DISABLED",
):
    os.environ[name] = ""  # an empty value is not overwritten from .env
_scratch = tempfile.TemporaryDirectory(prefix="cookbook-", ignore_cleanup_errors=True)
os.environ["ASSISTANTS_DB"] = str(Path(_scratch.name) / "notebooks.db")
# To load the certificates takes 40 ms, and every client needs a context, even for plain HTTP.
ssl.create_default_context = functools.cache(ssl.create_default_context)

from assistants_server.code_interpreter.sandbox import LAUNCHER  # noqa: E402
from assistants_server.offline.tutors import ask, tutors  # noqa: E402
from assistants_server.server import Server  # noqa: E402
from assistants_server.tools import sound  # noqa: E402
from assistants_server.tutor import Conversation  # noqa: E402
from assistants_server.web.http_server import HttpServer  # noqa: E402
from tests.agentops_service import KEY as AGENTOPS_KEY  # noqa: E402
from tests.serving import client_of, serving  # noqa: E402
from tests.upstream import CANARY_KEY  # noqa: E402

ROOT = Path(__file__).parent.parent

MODEL = "gpt-6-luna"

# Folders, files and tests that only CI runs each time: they attack a boundary, kill servers, search for
# a text that breaks the tutor, or send hundreds of megabytes.
THOROUGH = {
    "attacks",
    "fuzz",
    "test_aimock.py",
    "test_alone.py",
    "test_dead_agentops.py",
    "test_store.py",
    "test_60_megabytes_are_kept_without_filling_memory",
    "test_600_megabytes_are_refused_without_filling_memory",
    "test_a_killed_server_goes_on_where_it_was",
    "test_a_stream_cut_after_each_event",
    "test_it_runs_against_a_second_instance_that_thinks_and_differs",
    "test_large_files_are_refused_and_memory_stays_bounded",
    "test_no_text_makes_it_fail",
    "test_no_text_makes_it_fail_with_tools_either",
    "test_nothing_takes_it_too_long",
    "test_random_systems",
    "test_random_linear_equations",
}
# Those that take seconds, too: they start programs, kernels or browsers, or wait.
SLOW = THOROUGH | {
    "notebooks",
    "test_a_new_tool.py",
    "test_bytecode.py",
    "test_lab.py",
    "test_live_book.py",
    "test_sandbox.py",
    "test_start.py",
    "test_strictness.py",
    "test_switches.py",
    "test_tracing.py",
    "test_waterfall.py",
    "test_a_database_that_cannot_be_used_says_so",
    "test_a_proxy_is_not_asked_for_this_machine",
    "test_a_script_ends_by_itself_and_quietly",
    "test_remote_mode_starts_no_assistants_api",
}

KERNELS_LEFT = pytest.StashKey[list[int]]()


@pytest.fixture(scope="session", autouse=True)
def no_key_is_written_or_answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the whole suite no key has got into a file, or into an answer of a server of ours."""
    answered = []
    start_serving = HttpServer.__init__

    def watched(self, app, *args, **kwargs) -> None:
        async def watching(scope, receive, send) -> None:
            async def look(message) -> None:
                found = _keys_in(
                    str(message.get("headers", "")).encode() + message.get("body", b"")
                )
                answered.extend((scope["path"], key) for key in found)
                await send(message)

            await app(scope, receive, look)

        start_serving(self, watching, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpServer, "__init__", watched)
        yield
    folders = (tmp_path_factory.getbasetemp(), Path(_scratch.name), ROOT / "build" / "scratch")
    written = [
        (path.name, key)
        for folder in folders
        for path in folder.rglob("*")
        for key in _keys_in(_content(path))
    ]
    assert (answered, written) == ([], [])


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Named files are run in this process: for a few of them workers would start in vain."""
    return None if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What CONTRIBUTING calls slow or thorough is marked, so that ``-m`` can leave it out."""
    for item in items:
        names = {item.path.parent.name, item.path.name, item.name.partition("[")[0]}
        if names & SLOW:
            item.add_marker(pytest.mark.slow)
        if names & THOROUGH:
            item.add_marker(pytest.mark.thorough)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Workers send reports as UTF-8, which half of a surrogate pair in a log is not."""
    report = yield
    report.sections = [(name, sound(text)) for name, text in report.sections]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After all tests no kernel of the code interpreter is alive, wherever it came from.

    A worker of pytest-xdist does not look: the others' kernels are still at work.
    """
    if hasattr(session.config, "workerinput"):
        return
    left = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(LAUNCHER) in argument for argument in process.info["cmdline"] or ())
    ]
    if left:
        session.config.stash[KERNELS_LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if left := config.stash.get(KERNELS_LEFT, None):
        terminalreporter.write_line(f"Kernels of the code interpreter were left: {left}", red=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:  # a database that another worker has just closed
        return b""


def _keys_in(content: bytes) -> list[str]:
    return [key for key in (CANARY_KEY, AGENTOPS_KEY) if key.encode() in content]


@pytest.fixture(scope="session", autouse=True)
def one_pair_of_tutors() -> Iterator[None]:
    """All servers of the tests share them, as those of a program do: a start takes a second."""
    with asyncio.Runner() as runner:
        at_work = tutors()
        runner.run(at_work.__aenter__())
        runner.run(ask(Conversation("", ())))  # and until it is over, it would disturb tests
        yield
        runner.run(at_work.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `server` keeps everything, in a folder of its own."""
    return tmp_path_factory.mktemp("server") / "assistants.db"


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Server]:
    """The server of all tests of a file; those that need one of their own take `fresh_server`."""
    with serving(database) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with client_of(server) as client:
        yield client


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server of a test of its own, on an empty database: for tests that count all there is."""
    with serving(tmp_path / "assistants.db") as server:
        yield server


@pytest.fixture
def fresh_client(fresh_server: Server) -> Iterator[OpenAI]:
    with client_of(fresh_server) as client:
        yield client


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(
        model=MODEL, name="Math Tutor", instructions="Answer in a sentence or less."
    )


@pytest.fixture
def thread(client: OpenAI) -> Thread:
    return client.beta.threads.create()
