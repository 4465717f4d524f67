"""`requirements.lock`: what an install gets, the same in a year, on Linux, macOS and Windows."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.conftest import ROOT

PIN = re.compile(r"^([\w.-]+)==([\w.+!]+)", re.MULTILINE)
# A pin, perhaps with a marker, and the hashes of its files; then comments that say who needs it.
ENTRY = re.compile(
    r"^([\w.-]+)==([\w.+!]+)(?: ; ([^\\\n]+))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
    r"(?:    #.*\n)+",
    re.MULTILINE,
)
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ADVICE = "run make lock after a change of requirements.txt, and make install"


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in ENTRY.finditer(LOCK):
        found.setdefault(_name(entry[1]), set()).add(entry[2])
    return found


def test_every_entry_of_the_lock_has_hashes_and_nothing_else_is_in_it():
    rest = ENTRY.sub("", LOCK)
    assert [line for line in rest.splitlines() if not line.startswith("#")] == []
    assert len(_locked()) > 100


def test_every_pin_of_the_short_list_is_locked_in_that_version():
    pins = [
        pin
        for name in ("requirements.txt", "requirements-runtime.txt")
        for pin in PIN.findall((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert len(pins) > 30
    assert len({_name(name) for name, _ in pins}) == len(pins)
    locked = _locked()
    wrong = [f"{name}=={pin}" for name, pin in pins if locked.get(_name(name)) != {pin}]
    assert wrong == [], ADVICE


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("colorama", "sys_platform == 'win32'"),
        ("pywinpty", "os_name == 'nt'"),
        ("appnope", "sys_platform == 'darwin'"),
        ("pexpect", "sys_platform != 'emscripten' and sys_platform != 'win32'"),
    ],
)
def test_what_one_system_needs_is_locked_for_that_one(name: str, marker: str):
    assert [entry[3] for entry in ENTRY.finditer(LOCK) if entry[1] == name] == [marker]


def test_what_these_tests_run_with_is_what_is_locked():
    wrong = []
    for name, versions in _locked().items():
        try:
            installed = version(name)
        except PackageNotFoundError:  # it is for another system
            continue
        if installed not in versions:
            wrong.append(f"{name}=={installed}")
    assert wrong == [], ADVICE


def test_the_lock_names_no_registry_and_no_folder():
    assert re.findall(r"https?://|file:|/\w+/", LOCK) == []
    assert "--index-url" not in LOCK


def test_uv_is_locked_with_hashes_in_the_version_that_makes_the_lock():
    lock = (ROOT / "requirements-uv.lock").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert PIN.findall(lock) == PIN.findall(makefile.replace("UV := ", ""))
    assert lock.count("--hash=sha256:") == len(lock.splitlines()) - len(PIN.findall(lock)) - 2


def test_make_and_the_readme_install_lists_from_the_locks_alone():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^PIP := \$\(PY\) -m pip install .*--require-hashes$", makefile, re.M)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for text in (makefile.replace("$(PIP)", "pip install --require-hashes"), readme):
        installs = re.findall(r"pip install (.*?) -r ([\w.-]+)", text)
        assert installs
        for switches, name in installs:
            assert "--require-hashes" in switches
            assert name in ("requirements.lock", "requirements-uv.lock")
