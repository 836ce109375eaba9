"""A public name stands for one thing: whoever searches for it finds that thing alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from stages.study.params import ROOT

# Each program's main and each file's log; train's cells keep their bytes, and with them three readers.
SHARED = {
    "log": None,
    "main": None,
    "read": ["training/cell_file.py", "training/prepared.py", "training/start.py"],
}


def public_names(path: Path) -> list[str]:
    """What a file defines at its top level."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def test_no_two_files_define_the_same_public_name():
    files = defaultdict(list)
    for path in sorted((ROOT / "stages").rglob("*.py")):
        for name in public_names(path):
            files[name].append(path.relative_to(ROOT / "stages").as_posix())
    assert len(files) > 500
    shared = {name: paths for name, paths in files.items() if len(paths) > 1}
    for name, paths in SHARED.items():
        assert shared.pop(name) == (paths or files[name])
    assert not shared
