"""The small language of comparisons in which hypotheses are stated: parsed, never run.

r50 < r101 < x101               an order of levels of one factor, by the value of a metric
{r50, r101} < swin_t            each level of a set against each of the other side
512 < 1024                      whole numbers are image sizes
0.5 < 1.0                       fractions up to 1.0 are train_share, 1.0 is all of the training images
swin_l - swin_t > 0.02          a difference and its bound, in units of the metric; -0.01 < pafpn - fpn < 0.01
fpn < pafpn and sgd < adamw     all parts must hold
'r50-dcn' < r101                quotes, where a name has other characters than letters, digits and '_'
"""

from __future__ import annotations

import ast
import difflib
import graphlib
import itertools
import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stages.study.schema import FACTORS, LARGEST_IMAGE, SMALLEST_IMAGE
from stages.study.strict import StudyError

# What a hypothesis may name beside the factors, which a row need not have: all of the training images
# then.
TRAIN_SHARE = "train_share"
COMPARABLE = (*FACTORS, TRAIN_SHARE)
ALLOWED = (
    "allowed: orders (r50 < r101 < x101), sets ({r50, r101} < swin_t), differences "
    "(swin_l - swin_t > 0.02), joined by `and`"
)
# Keeps the parser's time and depth small; the study's longest expression has 32 characters.
LONGEST_EXPRESSION = 200

Level = str | int | float
Levels = Mapping[str, Collection[Level]]


def is_share(level: Level) -> bool:
    """Whether it can be a level of train_share."""
    return not isinstance(level, bool | str) and 0 < level <= 1


@dataclass(frozen=True)
class Step:
    """One comparison of two levels of `factor`. bound None: value(left) sign value(right); else
    value(left) - value(right) sign bound. sign is "<" or ">", bound in units of the metric."""

    factor: str
    left: Level
    sign: str
    right: Level
    bound: float | None = None


def parse_expression(text: str, key: str, levels: Levels) -> tuple[Step, ...]:
    """The comparisons that must all hold, in the order of `text`.

    key: where the text stands, such as hypotheses[3].holds. levels: factor -> its known levels;
    image_size needs none. Raises StudyError, one line with `key`, the position (from 1, runs of
    blanks counted once) and what is allowed.
    """
    # YAML folds long texts into several lines, which Python's parser would refuse.
    text = " ".join(text.split())
    if not text:
        raise StudyError(f"{key}: empty; {ALLOWED}")
    if len(text) > LONGEST_EXPRESSION:
        raise StudyError(
            f"{key}: {len(text)} characters, the most allowed are {LONGEST_EXPRESSION}; make it two hypotheses"
        )
    # Python would silently drop the rest of the line.
    if "#" in text:
        raise StudyError(
            f"{key}: at character {text.index('#') + 1}: '#' is not allowed; {ALLOWED}"
        )
    try:
        with warnings.catch_warnings():
            # Of odd escapes in quotes; what is wrong is said below.
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        position = min(max(error.offset or 1, 1), len(text))
        raise StudyError(
            f"{key}: at character {position}: {_short(text[position - 1 :])} cannot be read here; "
            f"{ALLOWED}"
        ) from None
    # A null byte is a ValueError in Python 3.11; the others are the parser's answers to deep nesting.
    except (ValueError, MemoryError, RecursionError):
        raise StudyError(f"{key}: at character 1: cannot be read; {ALLOWED}") from None
    steps = tuple(dict.fromkeys(_Reader(text, key, levels).steps(tree.body)))
    _check_order(steps, key)
    return steps


def _check_order(steps: Sequence[Step], key: str) -> None:
    """Raises StudyError where a level would have to be lower than itself: r50 < r101 < r50."""
    order: graphlib.TopologicalSorter[Level] = graphlib.TopologicalSorter()
    for step in steps:
        if step.bound is None and step.sign == "<":
            order.add(step.right, step.left)
        elif step.bound is None:
            order.add(step.left, step.right)
    try:
        order.prepare()
    except graphlib.CycleError as error:
        cycle = " < ".join(str(level) for level in error.args[1])
        raise StudyError(
            f"{key}: can never hold: it says {cycle}; name each level of an order once, or make "
            "it two hypotheses"
        ) from None


@dataclass(frozen=True)
class _Reader:
    """Steps from the nodes of a text. Nodes go along so that an error can say where it is."""

    text: str
    key: str
    levels: Levels

    def steps(self, node: ast.expr) -> Iterator[Step]:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for part in node.values:
                yield from self.steps(part)
            return
        if not isinstance(node, ast.Compare):
            raise self._refused(node)
        sides = itertools.pairwise((node.left, *node.comparators))
        for (first, second), operator in zip(sides, node.ops, strict=True):
            if isinstance(operator, ast.Lt):
                yield from self._compared(node, first, "<", second)
            elif isinstance(operator, ast.Gt):
                yield from self._compared(node, first, ">", second)
            else:
                raise self._refused(node, "is compared by something else than < or >")

    def _compared(
        self, node: ast.Compare, first: ast.expr, sign: str, second: ast.expr
    ) -> Iterator[Step]:
        if _is_difference(second):
            first, sign, second = second, {"<": ">", ">": "<"}[sign], first
        if isinstance(first, ast.BinOp) and _is_difference(first):
            bound = self._number(second)
            if bound is None:
                raise self._refused(node, "compares a difference with something else than a number")
            yield self._step(first.left, sign, first.right, float(bound))
            return
        for level, rival in itertools.product(_members(first), _members(second)):
            yield self._step(level, sign, rival)

    def _step(self, left: ast.expr, sign: str, right: ast.expr, bound: float | None = None) -> Step:
        first, second = self._level(left), self._level(right)
        factor, second_factor = self._factor(first, left), self._factor(second, right)
        if factor != second_factor:
            raise self._refused(
                right,
                f"is a level of {second_factor} and {_short(first)} one of {factor}; a comparison "
                "is over one factor",
            )
        if first == second:
            raise self._refused(right, "is compared with itself")
        return Step(factor, first, sign, second, bound)

    def _level(self, node: ast.expr) -> Level:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        number = self._number(node)
        if number is None:
            raise self._refused(node)
        if is_share(number) or (isinstance(number, int) and number >= 0):
            return number
        raise self._refused(
            node,
            "is no image size and no train_share; a bound needs a difference, such as a - b > 0.02",
        )

    def _number(self, node: ast.expr) -> float | None:
        """None where the node is something else."""
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        bare = node.operand if isinstance(node, ast.UnaryOp) and negative else node
        value = bare.value if isinstance(bare, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value):
            raise self._refused(node, "is not a finite number")
        return -value if negative else value

    def _factor(self, level: Level, node: ast.expr) -> str:
        if is_share(level):
            return TRAIN_SHARE
        if isinstance(level, int):
            if not SMALLEST_IMAGE <= level <= LARGEST_IMAGE:
                limits = f"from {SMALLEST_IMAGE} to {LARGEST_IMAGE}"
                raise self._refused(node, f"is no image size, which lie {limits}")
            return "image_size"
        factors = [factor for factor in FACTORS if level in self.levels.get(factor, ())]
        if len(factors) > 1:
            raise self._refused(node, f"is a level of {' and of '.join(factors)}; rename one")
        if factors:
            return factors[0]
        names = list(map(str, itertools.chain(*self.levels.values())))
        near = difflib.get_close_matches(str(level), names, 3) or names[:12]
        raise self._refused(
            node, f"is no known detector, backbone, neck or optimizer; there are: {', '.join(near)}"
        )

    def _refused(self, node: ast.expr, fault: str = "is not allowed") -> StudyError:
        # Python counts columns in bytes of UTF-8.
        column = len(self.text.encode()[: node.col_offset].decode(errors="ignore")) + 1
        source = ast.get_source_segment(self.text, node) or self.text
        return StudyError(f"{self.key}: at character {column}: {_short(source)} {fault}; {ALLOWED}")


def _is_difference(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def _members(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Set) else [node]


def _short(text: object) -> str:
    quoted = repr(str(text))
    return quoted if len(quoted) <= 40 else quoted[:36] + "..."
