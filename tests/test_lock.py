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
    pins = PIN.findall((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert len(pins) > 30
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


def test_make_and_the_readme_install_from_the_lock_alone():
    for name in ("Makefile", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        installs = re.findall(r"pip install (.*)", text.replace("--quiet ", ""))
        ours = [line for line in installs if "uv==" not in line]
        assert len(ours) == 1
        assert "--require-hashes -r requirements.lock" in ours[0]
