"""Imports go one way: notebooks, helpers, assistants_server, and inside it from room to room."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("assistants_server", "helpers", "notebooks")  # each imports only those before it
# The rooms of assistants_server: each imports only those before it, so the tutor knows no store.
# A new folder or file has to be put where it belongs.
ROOMS = """
    marks tutor clock tokens terminal_escapes default_paths private_files
    interpreter_shutdown request_ids logs store web contents code_interpreter file_search
    offline tools wire engine api app server __main__
""".split()  # noqa: SIM905, as a list it would fill the page


def modules() -> dict[str, Path]:
    """Return the files of all packages under the names of their modules."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }


MODULES = modules()


def imported(module: str) -> Iterator[str]:
    """Yield the modules of this project that a module imports, at its top or inside a function."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from filter(is_ours, (name.name for name in node.names))
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            source = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            for name in node.names:
                inner = f"{source}.{name.name}"
                if is_ours(source):
                    yield inner if inner in MODULES else source


def is_ours(module: str) -> bool:
    return module.split(".")[0] in (*PACKAGES, "tests")


def room(module: str) -> str:
    """Return the folder or the file directly below assistants_server that holds a module."""
    return [*module.split("."), ""][1]


def inside(package: str) -> list[str]:
    return [module for module in MODULES if module.split(".")[0] == package]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_itself_and_those_below_it(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    wrong = [
        f"{module} imports {other}"
        for module in inside(package)
        for other in imported(module)
        if other.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_every_room_of_the_server_has_its_place_in_the_order():
    rooms = {room(module) for module in inside("assistants_server")} - {""}
    assert rooms - set(ROOMS) == set()


def test_a_room_imports_only_rooms_before_it():
    wrong = [
        f"{module} imports {other}"
        for module in inside("assistants_server")
        for other in imported(module)
        if room(module) in ROOMS and room(other) in ROOMS
        if ROOMS.index(room(module)) < ROOMS.index(room(other))
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imported(module)) for module in MODULES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules
