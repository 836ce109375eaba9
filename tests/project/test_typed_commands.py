"""Every command that a message of the project asks for is typed by a test, which is named here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.study.params import ROOT

TESTS = Path(__file__).parents[1]
FAULTS = "faults/test_commands.py::test_commands_of_dvc_and_of_stages"
REGISTRY = "comparison/test_model_registry.py::test_"
CHECKOUT = "end_to_end/test_checkout.py::test_"
SYNC = "faults/test_sync_commands.py::test_a_"
# {} or %s is what a message fills in; CELL, CODE=ACTION and a path are for the reader to fill in.
TYPED = {
    "cp {} {}.old": f"{SYNC}database_of_an_older_mlflow_is_upgraded_by_what_sync_says",
    "dvc checkout": FAULTS,
    "dvc checkout --force": FAULTS,
    "dvc repro": "end_to_end/test_graph.py::test_a_repro_that_changes_nothing_runs_nothing",
    "dvc repro --force --single-item compare": FAULTS,
    "dvc repro --force prepare": FAULTS,
    "dvc repro --force stages/dvc.yaml:train@{}": FAULTS,
    "dvc repro -f stages/dvc.yaml:predict@{}": FAULTS,
    "dvc repro compose": FAULTS,
    "dvc repro costs": FAULTS,
    "dvc repro prepare": FAULTS,
    "dvc repro stages/dvc.yaml:{}@{}": FAULTS,
    "git config --global --add": f"{CHECKOUT}the_repository_of_another_user_until_the_command_is_typed",
    "make accept": "faults/test_commands.py::test_commands_of_make",
    "make clean": "project/test_set_up.py::test_make_clean_takes_the_environment_away",
    "make costs": "faults/test_commands.py::test_commands_of_make",
    "make prune": "faults/test_commands.py::test_commands_of_make",
    "make data-check": "faults/test_commands.py::test_commands_of_make",
    "make data-check ROOT={}": "faults/test_commands.py::test_commands_of_make",
    "make data-check ROOT=/path/to/your/set": "faults/test_commands.py::test_commands_of_make",
    "make set-up": "faults/test_commands.py::test_commands_of_make",
    "make repro": "faults/test_keep_going.py::test_make_repro_with_a_failing_cell",
    "make sync": "faults/test_commands.py::test_commands_of_make",
    "mlflow artifacts download -u models:/{}@{} -d model": f"{REGISTRY}the_champion_can_be_downloaded_with_its_config",
    'mlflow db upgrade "$MLFLOW_TRACKING_URI"': f"{SYNC}database_of_an_older_mlflow_is_upgraded_by_what_sync_says",
    "mlflow db upgrade {}": f"{SYNC}database_of_an_older_mlflow_is_upgraded_by_what_sync_says",
    "mlflow experiments restore --experiment-id {}": f"{SYNC}deleted_experiment_is_restored_by_what_sync_says",
    "mlflow runs restore --run-id {}": f"{SYNC}deleted_run_is_restored_by_what_sync_says",
    "python -m stages.check_cache all": FAULTS,
    "python -m stages.compose": FAULTS,
    "python -m stages.data.catalogue": FAULTS,
    "python -m stages.prepare": FAULTS,
    "python -m stages.train {}": FAULTS,
    "python -m stages.weights {}": FAULTS,
}
UNTYPED = {
    "dvc exp": "says what needs git",
    "dvc metrics": "says what needs git",
    "pip uninstall mmcv-lite": "changes the environment that all tests run in",
    "pip install --no-build-isolation --no-deps mmcv==2.1.0": "needs a network, a compiler and 20 minutes",
    "python -m stages.{} {}": "the usage line of every program",
    "python -m stages.model.ops PROGRAM [ARGUMENTS]": "a usage line",
}
# Calls whose arguments a test takes from the message itself.
QUOTED = ("type_commands(", "shlex.split(command)", "run(command, shell=True")
START = r"(?:dvc [a-z]+|mlflow [a-z]+ [a-z]+|python -m stages\.[\w.{}]+|git config|pip3? (?:un)?install|cp \{\})"
ARGUMENT = (
    r"--?[a-z-]+(?: \{\}| \d\S*)?|[A-Z]+=\S+|\S*stages/dvc\.yaml:\S+|\S*models:/\S+|\"\$\w+\"|\{\}\S*|"
    r"prepare|compose|compare|costs|all|model|mmcv\S*|PROGRAM|\[ARGUMENTS\]"
)


def texts() -> Iterator[str]:
    """What the stages can print, with {} for what is filled in, and what the Makefile echoes."""
    for path in sorted((ROOT / "stages").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {id(part) for node in ast.walk(tree) for part in _silent(node)}
        for node in ast.walk(tree):
            if id(node) in silent:
                continue
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    for path in sorted((ROOT / "stages").rglob("*.j2")):
        yield path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    yield from re.findall(r"""echo ((?:(?:"[^"]*"|'[^']*')\s*)+)""", makefile)


def _silent(node: ast.AST) -> list[ast.AST]:
    """Docstrings, and the parts of a text that is read as a whole."""
    if isinstance(node, ast.JoinedStr):
        return [part for part in node.values if isinstance(part, ast.Constant)]
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
        return [body[0].value]
    return []


def commands() -> set[str]:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    call = re.compile(rf"(?<![\w.-])(?:{START}|make (?:{'|'.join(targets)})\b)(?: (?:{ARGUMENT}))*")
    return {found.rstrip(".,;:)`'") for text in texts() for found in call.findall(text)}


def test_every_command_of_a_message_is_in_this_list():
    assert commands() - set(UNTYPED) == set(TYPED)


@pytest.mark.parametrize("command", sorted(TYPED))
def test_its_test_types_it(command):
    name, _, function = TYPED[command].partition("::")
    text = (TESTS / name).read_text(encoding="utf-8")
    found = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    assert found, f"{name} has no {function}"
    first = min(node.lineno for node in [found[0], *found[0].decorator_list])
    source = "\n".join(text.splitlines()[first - 1 : found[0].end_lineno])
    if any(call in source for call in QUOTED):
        return
    words = re.sub(r"[\"',()\[\]]+|\bf(?=\")", " ", re.sub(r"\bf\"", '"', source))
    pattern = r"\s+".join(map(re.escape, command.replace('"', "").split()))
    for blank in (r"\{\}", "%s", "CELL", "CODE=ACTION", "/path/to/your/set"):
        pattern = pattern.replace(blank, r"\S+")
    assert re.search(pattern, words), f"{function} does not type {command}"
