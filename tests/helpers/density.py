"""How densely the rooms of stages/ are written, against the goals for every room; `make lint` runs it.

Exits with 1 and a line for each goal that a room misses.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

STAGES = Path(__file__).parents[2] / "stages"
# In 1,000 lines of code, without blank lines, comments and docstrings; of long lines: in 1,000 lines of a file. Between
# what torchtune and detectron2 come to and what these rooms once were.
GOALS = {
    "comprehensions": 40,
    "nested comprehensions": 1.5,
    "conditional expressions": 20,
    "lines over 100 characters": 20,
    "names that say nothing": 2,
    "products with a truth value": 0,
}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SAYING_NOTHING = """
    one other another found told known here there left seen held given taken thing things what which where who why it
    them those these this that made makings beside quiet shown used
"""
VAGUE = set(SAYING_NOTHING.split())
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def code_lines(source: str, tree: ast.Module) -> int:
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, docstring.end_lineno + 1))
    return len(lines)


def is_truth_value(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "bool"
    return isinstance(node, ast.Compare | ast.BoolOp)


def is_nested(node: ast.expr) -> bool:
    inner = [child for child in ast.walk(node) if isinstance(child, COMPREHENSIONS)]
    return len(inner) > 1 or len(node.generators) > 1


def counted(path: Path) -> Counter[str]:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    counts = Counter({"lines": source.count("\n"), "code": code_lines(source, tree)})
    counts["lines over 100 characters"] = sum(len(line) > 100 for line in source.splitlines())
    for node in ast.walk(tree):
        if isinstance(node, COMPREHENSIONS):
            counts["comprehensions"] += 1
            counts["nested comprehensions"] += is_nested(node)
        elif isinstance(node, ast.IfExp):
            counts["conditional expressions"] += 1
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            truth = is_truth_value(node.left) or is_truth_value(node.right)
            counts["products with a truth value"] += truth
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts["names that say nothing"] += node.id in VAGUE
        elif isinstance(node, ast.arg):
            counts["names that say nothing"] += node.arg in VAGUE
    return counts


def main() -> int:
    rooms: dict[str, Counter[str]] = {}
    for path in sorted(STAGES.rglob("*.py")):
        parts = path.relative_to(STAGES).parts
        room = parts[0] if len(parts) > 1 else "*.py"
        rooms.setdefault(room, Counter()).update(counted(path))
    missed = 0
    for room, counts in rooms.items():
        for measure, goal in GOALS.items():
            whole = counts["lines" if measure.startswith("lines") else "code"]
            share = 1000 * counts[measure] / max(1, whole)
            if share > goal:
                missed += 1
                print(f"stages/{room}: {measure}: {share:.1f} in 1,000 lines, allowed {goal:g}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
