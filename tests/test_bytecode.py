"""What the notebooks import is compiled when it is installed."""

import os
import subprocess
import sys

from tests.conftest import ROOT

# What a kernel imports until its first call has been answered, beyond what is compiled.
KERNEL = """
import sys
from importlib import import_module
from notebooks.book.bytecode import IMPORTED

for name in IMPORTED:
    import_module(name)
compiled = set(sys.modules)
from helpers import connect

connect().beta.assistants.list()
print(len(set(sys.modules) - compiled), len(compiled))
"""
COMPILE = """
from notebooks.book import bytecode

bytecode.IMPORTED = ("json.tool",)
bytecode.compile_all()
"""


def run(program: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_a_kernel_imports_hardly_anything_that_is_not_compiled(tmp_path):
    said = run(KERNEL, ASSISTANTS_DB=str(tmp_path / "a.db"))
    others, compiled = map(int, said.splitlines()[-1].split())
    assert compiled > 2000
    assert others < compiled / 20


def test_it_is_kept_whatever_the_environment_says(tmp_path):
    run(COMPILE, PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX=str(tmp_path))
    assert list(tmp_path.rglob("json/tool.*.pyc"))
