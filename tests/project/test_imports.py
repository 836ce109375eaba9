"""Who may import whom: the table [tool.rooms] of pyproject.toml, without a circle of rooms or files.

Every import counts: those inside functions too, and those that only a checker of types makes.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: dict[str, list[str]] = PYPROJECT["tool"]["rooms"]
BASE = {"errors", "files", "machine"}
PROGRAMS = "programs"
# Where the package that brings a module has another name.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "mmcv": "mmcv-lite",
    "PIL": "pillow",
    "ruamel": "ruamel.yaml",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
Graph = dict[str, set[str]]


def modules_of(folder: str) -> dict[str, Path]:
    """Module -> its file."""
    modules = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        modules[name.removesuffix(".__init__")] = path
    return modules


def imports(path: Path) -> set[str]:
    """What a file imports; `from package import name` as package.name, since it may be a module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                folder = path.parents[node.level - 1].relative_to(ROOT)
                package = ".".join([*folder.parts, *filter(None, [node.module])])
            names.update(f"{package}.{alias.name}" for alias in node.names)
    return names


def graph_of(modules: dict[str, Path]) -> Graph:
    """Module -> those of the same modules that it imports."""
    graph: Graph = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports(path):
            package = name.rpartition(".")[0]
            graph[module].update({name if name in modules else package} & modules.keys())
    return graph


def room_of(module: str) -> str:
    """stages.model.ops.focal_loss -> model/ops, stages.model.compose -> model, stages.train -> programs."""
    path = module.partition(".")[2].replace(".", "/") + "/"
    fitting = [room for room in (*ROOMS, *BASE) if path.startswith(f"{room}/")]
    return max(fitting, key=len, default=PROGRAMS)


def offences(graph: Graph) -> list[str]:
    """The imports that the table does not allow."""
    lines = []
    for module, imported in graph.items():
        room = room_of(module)
        allowed = {room, *ROOMS.get(room, ()), *BASE}
        if room in BASE:
            allowed = BASE
        for name in imported:
            if room != PROGRAMS and room_of(name) not in allowed:
                lines.append(f"{module} imports {name}: {room} may not import {room_of(name)}")
    return sorted(lines)


def circle(graph: Graph) -> list[str]:
    """The nodes of a circle, none where there is no circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


GRAPH = graph_of(modules_of("stages"))


def test_no_room_imports_against_the_table():
    assert offences(GRAPH) == []
    # The rule sees what it is to see.
    assert offences({"stages.study.params": {"stages.verdict.best", "stages.errors"}}) == [
        "stages.study.params imports stages.verdict.best: study may not import verdict"
    ]
    assert (
        offences({"stages.model.compose": {"stages.train"}, "stages.errors": {"stages.study"}})
        != []
    )


def test_every_folder_is_a_room_and_every_permission_is_used():
    folders = {path.name for path in (ROOT / "stages").iterdir() if list(path.glob("*.py"))}
    assert folders - ROOMS.keys() == set()
    for room, allowed in ROOMS.items():
        used = set()
        for module, imported in GRAPH.items():
            if room_of(module) == room:
                used.update(map(room_of, imported))
        # Left in the table, it would let the next circle in.
        assert set(allowed) - used == set(), f"{room} no longer imports these"


def test_there_is_no_circle_of_rooms_or_files():
    assert circle({"a": {"b"}, "b": {"a"}}) != []
    assert circle({room: set(allowed) for room, allowed in ROOMS.items()}) == []
    assert circle(GRAPH) == []


def test_stages_import_neither_tests_nor_benchmarks():
    for path in modules_of("stages").values():
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & {"tests", "benchmarks", "conftest"}, path


def test_the_picture_shows_the_table():
    """docs/rooms.md draws an arrow for each permission that does not follow from others."""
    picture = (ROOT / "docs/rooms.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^    (\S+) --> (\S+)$", picture, re.M))
    reached: Graph = {}
    for room in graphlib.TopologicalSorter(ROOMS).static_order():
        reached[room] = set(ROOMS[room]).union(*(reached[name] for name in ROOMS[room]))
    arrows = set()
    for room, allowed in ROOMS.items():
        for name in allowed:
            if not any(name in reached[between] for between in allowed):
                arrows.add((room, name))
    assert drawn == {(room.replace("/", "_"), name.replace("/", "_")) for room, name in arrows}


@pytest.mark.parametrize("folder", ["stages", "benchmarks"])
def test_requirements_name_every_package_that_is_imported(folder):
    text = (ROOT / "requirements.in").read_text(encoding="utf-8")
    named = {name.lower() for name in re.findall(r"^[A-Za-z0-9._-]+", text, re.M)}
    absent = {}
    for path in modules_of(folder).values():
        for name in imports(path):
            package = name.partition(".")[0]
            if package in sys.stdlib_module_names or package in ("stages", "benchmarks"):
                continue
            if DISTRIBUTIONS.get(package, package).lower() not in named:
                absent.setdefault(package, path)
    assert absent == {}
