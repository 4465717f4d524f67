"""An installed copy: the command and the helpers, from any folder."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

import assistants_server
from tests.conftest import ROOT

PACKAGES = ("assistants_server", "helpers")
NEEDED = ("pyproject.toml", "requirements-runtime.txt", "README.md", "LICENSE")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
CONVERSATION = """
from helpers import connect, create_thread_and_run, get_response, pretty_print, wait_on_run

client = connect()
assistant = client.beta.assistants.create(model="gpt-6-luna")
for question in ("Solve 3x + 11 = 14", "What is a circle?"):
    thread, run = create_thread_and_run(client, assistant.id, question)
    assert wait_on_run(client, run).status == "completed"
    pretty_print(get_response(client, thread))
"""


def _sources() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _imported(path: Path) -> set[str]:
    """Return the names of the packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def _brought(name: str) -> set[str]:
    """Return the name of a distribution, and of all that it requires, written as in the lock."""
    found, ahead = set(), [name]
    while ahead:
        name = re.sub(r"[-_.]+", "-", ahead.pop()).lower()
        if name not in found:
            found.add(name)
            with suppress(PackageNotFoundError):  # it is for another system
                wanted = [each for each in requires(name) or () if "extra ==" not in each]
                ahead += [re.match(r"[\w.-]+", each)[0] for each in wanted]
    return found


def test_what_is_installed_brings_along_everything_that_it_imports():
    pinned = re.findall(
        r"^([\w.-]+)==", (ROOT / "requirements-runtime.txt").read_text("utf-8"), re.M
    )
    brought = set().union(*map(_brought, pinned))
    by_package = packages_distributions()
    for name in sorted(_sources()):
        if name.endswith(".py"):
            for package in _imported(ROOT / name) - sys.stdlib_module_names - {*PACKAGES}:
                assert any(_brought(each) <= brought for each in by_package[package]), (
                    name,
                    package,
                )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built without network from a copy of the clone, which stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in NEEDED:
        shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        ours = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ours)
    without_network = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*PIP, "wheel", *without_network, str(source), "-w", str(folder)], check=True, timeout=300
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installed copy; its requirements are those of the Python of these tests."""
    folder = tmp_path_factory.mktemp("installed") / "with a space"
    subprocess.run(
        [*PIP, "install", "--no-index", "--no-deps", "--target", str(folder), str(wheel)],
        check=True,
        timeout=300,
    )
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path):
    """Return a function that runs a command of the installed copy and returns what it prints."""
    elsewhere = tmp_path / "some where else"
    elsewhere.mkdir()
    home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA")}
    inherited = {name: value for name, value in os.environ.items() if name != "ASSISTANTS_DB"}
    inherited.pop("OPENAI_MODEL")  # an empty one, which would be left as it is

    def run(*command: str | Path) -> str:
        ended = subprocess.run(
            command,
            cwd=elsewhere,
            env={**inherited, **home, "PYTHONPATH": str(installed)},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    run.folder = elsewhere
    return run


@pytest.fixture
def command(installed: Path) -> Path:
    (found,) = (installed / "bin").glob("assistants-server*")  # with .exe on Windows
    return found


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_server_and_the_helpers_and_no_other(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == _sources()


@pytest.mark.slow
def test_the_command_has_the_switches_of_the_module(run, command: Path):
    by_module = run(sys.executable, "-m", "assistants_server", "--help")
    by_command = run(command, "--help")
    switches = re.findall(r"--[\w-]+", by_command)
    assert {"--version", "--host", "--port", "--db", "--unsafe-code"} <= set(switches)
    assert switches == re.findall(r"--[\w-]+", by_module)
    assert by_command.startswith("usage: assistants-server ")
    assert by_module.startswith("usage: python -m assistants_server ")


@pytest.mark.slow
def test_the_version_is_the_same_wherever_it_is_read(run, command: Path, wheel: Path):
    version = assistants_server.__version__
    assert run(command, "--version") == f"assistants-server {version}\n"
    assert wheel.name.startswith(f"assistants_server-{version}-")
    in_the_clone = [sys.executable, "-m", "assistants_server", "--version"]
    said = subprocess.run(in_the_clone, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == f"assistants-server {version}\n"


@pytest.mark.slow
def test_an_installed_copy_reads_env_where_it_runs_and_keeps_data_with_the_user(
    run, installed: Path, tmp_path: Path
):
    (run.folder / ".env").write_text("OPENAI_MODEL=a-model-of-my-own\n", encoding="utf-8")
    program = "import helpers.connection as c; print(c.MODEL); print(c.default_database())"
    model, database = run(sys.executable, "-c", program).splitlines()
    assert model == "a-model-of-my-own"
    assert Path(database).is_relative_to(tmp_path / "home")


@pytest.mark.slow
def test_the_helpers_of_an_installed_copy_connect_and_the_tutor_answers(run, tmp_path: Path):
    said = run(sys.executable, "-c", CONVERSATION)
    assert "x = 1" in said
    assert "circle" in said.lower()
    assert list((tmp_path / "home").rglob("assistants.db"))
    assert list(run.folder.iterdir()) == []
