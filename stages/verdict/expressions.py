"""The small language in which params.yaml states a hypothesis. It is parsed and never run.

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
import itertools
import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stages.study.strict import StudyError

# The factors of a row of params.yaml, in its order.
FACTORS = ("detector", "backbone", "neck", "optimizer", "image_size")
# What a hypothesis may name beside them, which a row need not have: all of the training images
# then.
TRAIN_SHARE = "train_share"
COMPARABLE = (*FACTORS, TRAIN_SHARE)
ALLOWED = (
    "allowed: orders (r50 < r101 < x101), sets ({r50, r101} < swin_t), differences "
    "(swin_l - swin_t > 0.02), joined by `and`"
)
# Keeps the parser's time and depth small; the study's longest expression has 32 characters.
LONGEST = 200
# As params.yaml bounds the image_size of a row.
IMAGE_SIZES = (32, 8192)

Level = str | int | float


def is_share(level: Level) -> bool:
    """Whether it can be a level of train_share."""
    return type(level) in (int, float) and 0 < level <= 1


@dataclass(frozen=True)
class Step:
    """One comparison of two levels of `factor`. bound None: value(left) sign value(right); else
    value(left) - value(right) sign bound. sign is "<" or ">", bound in units of the metric."""

    factor: str
    left: Level
    sign: str
    right: Level
    bound: float | None = None

    @property
    def text(self) -> str:
        if self.bound is None:
            return f"{self.left} {self.sign} {self.right}"
        return f"{self.left} - {self.right} {self.sign} {self.bound:g}"


@dataclass(frozen=True)
class _Number:
    """A bound, or an image size or a train_share where the other side is one."""

    value: float | int
    node: ast.AST


@dataclass(frozen=True)
class _Levels:
    names: tuple[tuple[Level, ast.AST], ...]


@dataclass(frozen=True)
class _Difference:
    first: tuple[Level, ast.AST]
    second: tuple[Level, ast.AST]


def parse(text: str, key: str, levels: Mapping[str, Collection[Level]]) -> tuple[Step, ...]:
    """The comparisons that must all hold, in the order of `text`.

    key: where the text stands, such as hypotheses[3].holds. levels: factor -> its known levels;
    image_size needs none. Raises StudyError, one line with `key`, the position (from 1, runs of
    blanks counted once) and what is allowed.
    """
    return _Reader(text, key, levels).steps()


class _Reader:
    def __init__(self, text: str, key: str, levels: Mapping[str, Collection[Level]]) -> None:
        self.key = key
        self.levels = levels
        if not isinstance(text, str) or not text.strip():
            raise StudyError(f"{key}: empty; {ALLOWED}")
        # YAML folds long texts into several lines, which Python's parser would refuse.
        self.text = " ".join(text.split())
        if len(self.text) > LONGEST:
            raise StudyError(
                f"{key}: {len(self.text)} characters, the most allowed are {LONGEST}; make it two "
                "hypotheses"
            )
        # Python would silently drop the rest of the line.
        if "#" in self.text:
            raise StudyError(
                f"{key}: at character {self.text.index('#') + 1}: '#' is not allowed; {ALLOWED}"
            )

    def steps(self) -> tuple[Step, ...]:
        try:
            with warnings.catch_warnings():
                # Of odd escapes in quotes; what is wrong is said below.
                warnings.simplefilter("ignore")
                tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            position = min(max(error.offset or 1, 1), len(self.text))
            raise StudyError(
                f"{self.key}: at character {position}: {_short(self.text[position - 1 :])} cannot "
                f"be read here; {ALLOWED}"
            ) from None
        # A null byte is a ValueError in Python 3.11; the other two are the parser's answers to deep
        # nesting.
        except (ValueError, MemoryError, RecursionError):
            raise StudyError(f"{self.key}: at character 1: cannot be read; {ALLOWED}") from None
        return tuple(dict.fromkeys(self._all(tree.body)))

    def _all(self, node: ast.AST) -> list[Step]:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return list(itertools.chain.from_iterable(map(self._all, node.values)))
        if not isinstance(node, ast.Compare):
            raise self._refused(node)
        for sign in node.ops:
            if not isinstance(sign, ast.Lt | ast.Gt):
                raise self._refused(node, "is compared by something else than < or >")
        sides = [self._side(side) for side in (node.left, *node.comparators)]
        steps = []
        for (first, second), sign in zip(itertools.pairwise(sides), node.ops, strict=True):
            symbol = "<" if isinstance(sign, ast.Lt) else ">"
            steps += self._steps(first, symbol, second, node)
        return steps

    def _side(self, node: ast.AST) -> _Number | _Levels | _Difference:
        if isinstance(node, ast.Set):
            return _Levels(tuple(self._level(item) for item in node.elts))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            return _Difference(self._level(node.left), self._level(node.right))
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        bare = node.operand if negative else node
        if isinstance(bare, ast.Constant) and type(bare.value) in (int, float):
            if not math.isfinite(bare.value):
                raise self._refused(node, "is not a finite number")
            return _Number(-bare.value if negative else bare.value, node)
        return _Levels((self._level(node),))

    def _level(self, node: ast.AST) -> tuple[Level, ast.AST]:
        if isinstance(node, ast.Name):
            return node.id, node
        if isinstance(node, ast.Constant) and (
            type(node.value) in (str, int) or is_share(node.value)
        ):
            return node.value, node
        raise self._refused(node)

    def _steps(self, first, sign: str, second, node: ast.AST) -> list[Step]:
        if isinstance(first, _Number) and isinstance(second, _Difference):
            return self._steps(second, ">" if sign == "<" else "<", first, node)
        if isinstance(first, _Difference) and isinstance(second, _Number):
            return [self._step(first.first, sign, first.second, float(second.value))]
        if isinstance(first, _Difference) or isinstance(second, _Difference):
            raise self._refused(node, "compares a difference with something else than a number")
        pairs = itertools.product(self._as_levels(first), self._as_levels(second))
        return [self._step(level, sign, rival, None) for level, rival in pairs]

    def _as_levels(self, side: _Number | _Levels) -> tuple[tuple[Level, ast.AST], ...]:
        if isinstance(side, _Levels):
            return side.names
        if not is_share(side.value) and (not isinstance(side.value, int) or side.value < 0):
            raise self._refused(
                side.node,
                "is no image size and no train_share; a bound needs a difference, such as "
                "a - b > 0.02",
            )
        return ((side.value, side.node),)

    def _step(
        self,
        first: tuple[Level, ast.AST],
        sign: str,
        second: tuple[Level, ast.AST],
        bound: float | None,
    ) -> Step:
        factor, second_factor = self._factor(*first), self._factor(*second)
        if factor != second_factor:
            raise self._refused(
                second[1],
                f"is a level of {second_factor} and {_short(first[0])} one of {factor}; a "
                "comparison is over one factor",
            )
        if first[0] == second[0]:
            raise self._refused(second[1], "is compared with itself")
        return Step(factor, first[0], sign, second[0], bound)

    def _factor(self, level: Level, node: ast.AST) -> str:
        if is_share(level):
            return TRAIN_SHARE
        if isinstance(level, int):
            if not IMAGE_SIZES[0] <= level <= IMAGE_SIZES[1]:
                raise self._refused(
                    node, f"is no image size, which lie from {IMAGE_SIZES[0]} to {IMAGE_SIZES[1]}"
                )
            return "image_size"
        factors = [factor for factor in FACTORS if level in self.levels.get(factor, ())]
        if len(factors) == 1:
            return factors[0]
        if factors:
            raise self._refused(node, f"is a level of {' and of '.join(factors)}; rename one")
        names: list[str] = []
        for factor in FACTORS:
            names += map(str, self.levels.get(factor, ()))
        near = difflib.get_close_matches(level, names, 3) or names[:12]
        raise self._refused(
            node, f"is no known detector, backbone, neck or optimizer; there are: {', '.join(near)}"
        )

    def _refused(self, node: ast.AST, fault: str = "is not allowed") -> StudyError:
        # Python counts columns in bytes of UTF-8.
        column = len(self.text.encode()[: node.col_offset].decode(errors="ignore")) + 1
        source = ast.get_source_segment(self.text, node) or self.text
        return StudyError(f"{self.key}: at character {column}: {_short(source)} {fault}; {ALLOWED}")


def _short(text: object) -> str:
    quoted = repr(str(text))
    return quoted if len(quoted) <= 40 else quoted[:36] + "..."
