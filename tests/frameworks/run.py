"""``python -m tests.frameworks.run [NAME ...]``: old frameworks' own examples against our server.

Makes an environment for each framework in build/frameworks, starts an offline server, and runs a
program in the manner of the framework's documentation. Ends with exit code 1 if an example fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import ROOT
from tests.soak.process import TOKEN, ServerProcess

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / "build" / "frameworks"
SECONDS = 600


@dataclass(frozen=True)
class Framework:
    """A framework of frameworks.toml: the program to run, and the packages that it needs."""

    name: str
    as_of: str
    program: str
    pip: list[str] = field(default_factory=list)
    npm: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        return (self.pip or self.npm)[0].replace("==", "@").rpartition("@")[2]

    def installed(self) -> list[str]:
        """Install the packages, unless they are there; return the command that runs the program.

        Raises:
            CalledProcessError: they cannot be installed.
        """
        folder = ENVIRONMENTS / self.name
        wanted = "\n".join([*self.pip, *self.npm, self.as_of])
        done = folder / "installed.txt"
        if not done.exists() or done.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._install(folder)
            done.write_text(wanted)
        if self.npm:
            return ["node", str(HERE / self.program), str(folder)]
        return [str(_python(folder)), str(HERE / self.program)]

    def _install(self, folder: Path) -> None:
        if self.npm:
            options = ["--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
            _run([shutil.which("npm") or "npm", "install", *options, *self.npm])
        elif find_spec("uv"):
            uv = [sys.executable, "-m", "uv"]
            _run(
                [
                    *uv,
                    "venv",
                    "--quiet",
                    "--python",
                    sys.executable,
                    "--allow-existing",
                    str(folder),
                ]
            )
            options = ["--quiet", "--python", str(_python(folder)), "--exclude-newer", self.as_of]
            _run([*uv, "pip", "install", *options, *self.pip])
        else:
            _run([sys.executable, "-m", "venv", str(folder)])
            _run([str(_python(folder)), "-m", "pip", "install", "--quiet", *self.pip])


@dataclass(frozen=True)
class Outcome:
    """What became of an example. The error is a traceback, or None."""

    name: str
    error: str | None


def frameworks() -> list[Framework]:
    listed = tomllib.loads((HERE / "frameworks.toml").read_text("utf-8"))
    as_of = listed.pop("as_of")
    return [Framework(name, as_of, **settings) for name, settings in listed.items()]


def play(framework: Framework) -> list[Outcome]:
    """Run a framework's program against a server of its own; return what became of its examples."""
    try:
        command = framework.installed()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with _serving(folder) as base_url:
                return _outcomes(command, folder, base_url)
    except (subprocess.SubprocessError, OSError) as error:  # it fails, takes too long, or is away
        return [Outcome("no program", f"{error}\n{getattr(error, 'stdout', '')}")]


def _outcomes(command: list[str], folder: Path, base_url: str) -> list[Outcome]:
    home, report = folder / "home", folder / "report.jsonl"
    home.mkdir()
    settings = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": TOKEN, "HOME": str(home)}
    ended = subprocess.run(
        [*command, str(report)],
        cwd=home,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    lines = report.read_text("utf-8").splitlines() if report.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in lines]
    if ended.returncode or not outcomes:
        outcomes.append(Outcome("the program", ended.stdout[-4_000:]))
    return outcomes


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    temporary = folder / "temporary"
    temporary.mkdir()
    server = ServerProcess(folder / "a.db", folder / "server.log", temporary)
    try:
        yield server.base_url
    finally:
        server.stop()


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _run(command: list[str]) -> None:
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    subprocess.run(command, check=True, text=True, **pipe)


def main() -> None:
    known = {each.name: each for each in frameworks()}
    options = argparse.ArgumentParser(prog="python -m tests.frameworks.run", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)}")
    names = options.parse_args().names
    if unknown := set(names) - set(known):
        options.error(f"no framework is called {', '.join(unknown)}; there are {', '.join(known)}")
    failed: list[Outcome] = []
    print(f"{'framework':26} {'version':10} passed")
    for name in names or known:
        outcomes = play(known[name])
        wrong = [each for each in outcomes if each.error]
        passed = f"{len(outcomes) - len(wrong)} of {len(outcomes)}"
        print(f"{name:26} {known[name].version:10} {passed}", flush=True)
        failed += [Outcome(f"{name}: {each.name}", each.error) for each in wrong]
    for each in failed:
        print(f"\n{each.name}\n{each.error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
