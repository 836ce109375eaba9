"""Whether two cells were compared fairly: what they differ in beside what is compared; and which
repeats of a cell are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from stages.model.schedule import REFERENCE_BATCH
from stages.results.cell import CellResult
from stages.study.counts import form
from stages.study.params import Study
from stages.verdict.consequences import rule_of
from stages.verdict.design import REPEATED, declared
from stages.verdict.settings import (
    NOT_RECORDED,
    Settings,
    differ,
    recorded,
    same_file,
    trains_batch_norm,
    with_config,
)

# For REFERENCE_BATCH images a step. SGD: mmdet/configs/_base_/schedules/schedule_1x.py; AdamW:
# configs/swin of MMDetection. A study's own (`scales.<scale>.lr` of params.yaml) is handed in.
REFERENCE_LR = {"sgd": 0.02, "adamw": 0.0001}
# Without these nobody can say that a comparison was fair.
NEEDED_RECORDS = (
    *("batch_size", "lr_per_sample", "epochs", "image_size", "seed", "weights"),
    *("data_digest", "git_commit"),
)
# Rates within a hundredth of the linear rule count as on it: people round.
_ROUNDING = 0.01
_LONGEST_SHOWN = 60
_EARLY = "config.custom_hooks[EarlyStoppingHook].type"
# Stands for the seeds or folds of a repeated cell.
_SEVERAL = "several"

DifferenceKind = Literal["declared", "confounder", "consequence", "harmless"]


@dataclass(frozen=True)
class Difference:
    """A key with both values, as run.json and the config have them. `follows`: the causes."""

    key: str
    a: Any
    b: Any
    topic: str
    reason: str
    kind: DifferenceKind
    follows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fairness:
    """Every difference of cells a and b, by what it is to a comparison over `factors`. `cautions`
    are sentences on flaws that both share and on settings that nobody knows; they do not make a
    pair confounded."""

    a: str
    b: str
    factors: tuple[str, ...]
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]

    def of(self, kind: DifferenceKind) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.kind == kind)

    @property
    def confounders(self) -> tuple[Difference, ...]:
        return self.of("confounder")

    @property
    def fair(self) -> bool:
        return not self.confounders

    @property
    def topics(self) -> tuple[str, ...]:
        """What the confounders are about, each once: ("batch size", "length of training")."""
        return tuple(dict.fromkeys(difference.topic for difference in self.confounders))

    def swapped(self) -> Fairness:
        """The same of b and a."""
        differences = []
        for difference in self.differences:
            differences.append(replace(difference, a=difference.b, b=difference.a))
        return replace(self, a=self.b, b=self.a, differences=tuple(differences))

    @property
    def sentence(self) -> str:
        """The verdict with the first difference of every topic, in plain text."""
        compared = [difference.key for difference in self.of("declared")]
        differ = "differ" if compared else "do not differ"
        text = f"{self.a} and {self.b} {differ} in {' and '.join(compared or self.factors)}"
        if not self.fair:
            values: dict[str, str] = {}
            for difference in self.confounders:
                both = f"({setting_text(difference.a)} against {setting_text(difference.b)})"
                values.setdefault(difference.topic, both)
            topics = [f"{topic} {both}" for topic, both in values.items()]
            joint = "and also" if compared else "but"
            return f"Confounded: {text}, {joint} in {', '.join(topics)}."
        if not compared:
            return f"Nothing to compare: {text}."
        follows = ""
        if self.of("consequence"):
            causes = form(len(compared), "it", "them")
            follows = f" and what follows from {causes}"
        return f"Fair: {text}{follows}, in nothing else that is known."


def fair_pairs(
    study: Study,
    results: Mapping[str, CellResult],
    rows: Mapping[str, tuple[str, ...]],
    settings: Mapping[str, Settings],
) -> dict[tuple[str, str], Fairness]:
    """Every two cells in both orders, over the factors in which they are declared to differ.
    results, settings: of each row; rows: cell -> its rows."""
    compared = {}
    for first, second in combinations(rows, 2):
        # Where one of the two was repeated, chance is part of the interval and no confounder.
        chance = {}
        for key in REPEATED:
            for names in (rows[first], rows[second]):
                if len({results[row].run.get(key) for row in names}) > 1:
                    chance[key] = _SEVERAL
        a, b = (
            replace(settings[name], recorded={**settings[name].recorded, **chance})
            for name in (first, second)
        )
        factors = declared(study.cell(first), study.cell(second))
        compared[first, second] = compare_settings(a, b, factors, study.training.lr)
        compared[second, first] = compared[first, second].swapped()
    return compared


def uneven_repeats(
    study: Study, rows: Mapping[str, tuple[str, ...]], settings: Mapping[str, Settings]
) -> dict[str, tuple[str, ...]]:
    """Cell -> what its repeats differ in beside seed and fold, where they do."""
    uneven = {}
    for name, names in rows.items():
        topics: dict[str, None] = {}
        for row in names[1:]:
            compared = compare_settings(settings[name], settings[row], REPEATED, study.training.lr)
            topics |= dict.fromkeys(compared.topics)
        if topics:
            uneven[name] = tuple(topics)
    return uneven


def compare_settings(
    a: Settings,
    b: Settings,
    factors: Sequence[str],
    reference_lr: Mapping[str, float] = REFERENCE_LR,
) -> Fairness:
    """Diffs two cells for a comparison over `factors`, which are keys of run.json (backbone,
    image_size, ...).

    reference_lr: optimizer -> learning rate for REFERENCE_BATCH images. The rules are
    consequences.RULES.
    """
    flat_a, flat_b = recorded(a), recorded(b)
    ratios = _rule_ratio(flat_a, reference_lr), _rule_ratio(flat_b, reference_lr)
    cautions = _cautions(flat_a, flat_b, *ratios)
    if a.config and b.config:
        both = flat_a.keys() & flat_b.keys()
        flat_a, flat_b = with_config(flat_a, a, both), with_config(flat_b, b, both)
    else:
        absent = [cell.name for cell in (a, b) if not cell.config]
        cautions.append(
            f"The resolved config of {' and of '.join(absent)} is not at hand and was not compared."
        )
    keys = [key for key in {**flat_a, **flat_b} if differ(key, flat_a, flat_b)]
    judge = _Judge((a, b), flat_a, flat_b, frozenset(keys), frozenset(factors), ratios)
    differences = [*map(judge.difference, keys), *judge.equal_but_flawed()]
    several = [difference.key for difference in differences if difference.kind == "declared"]
    if len(several) > 1:
        cautions.append(
            f"No difference between them can be put down to any single one of {', '.join(several)}."
        )
    return Fairness(a.name, b.name, tuple(factors), tuple(differences), tuple(cautions))


def setting_text(value: Any) -> str:
    """A value in a sentence: numbers in four digits, long texts cut."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _rule_ratio(settings: Mapping[str, Any], reference: Mapping[str, float]) -> float | None:
    """The rate for an image as a multiple of the linear rule's (Goyal et al., arXiv:1706.02677)."""
    rate = settings.get("lr_per_sample")
    usual = reference.get(str(settings.get("optimizer")))
    if rate is None or not usual:
        return None
    return float(rate) * REFERENCE_BATCH / usual


def _cautions(
    flat_a: Mapping[str, Any], flat_b: Mapping[str, Any], first: float | None, second: float | None
) -> list[str]:
    """first, second: multiples of the linear rule's rate."""
    cautions = []
    same = first is not None and second is not None and math.isclose(first, second)
    same &= flat_a.get("optimizer") == flat_b.get("optimizer")
    if first is not None and same and abs(first - 1) > _ROUNDING:
        cautions.append(f"Both have {first:.3g} times the learning rate of the linear rule.")
    unknown = []
    for key in NEEDED_RECORDS:
        if flat_a.get(key) in (None, "") and flat_b.get(key) in (None, ""):
            unknown.append(key)
    if unknown:
        cautions.append(f"Not recorded for either: {', '.join(unknown)}.")
    threads = {flat["threads_used"] for flat in (flat_a, flat_b) if "threads_used" in flat}
    if len(threads) > 1:
        numbers = " and ".join(map(str, sorted(threads)))
        cautions.append(f"Trained with {numbers} CPU threads, which round otherwise.")
    if any(str(flat.get("git_commit")).endswith("+changes") for flat in (flat_a, flat_b)):
        cautions.append("Trained with changes that no commit holds.")
    return cautions


@dataclass(frozen=True)
class _Judge:
    """Applies the rules to a pair: flat_a and flat_b are the flat settings, keys those that differ,
    ratios each cell's multiple of the linear rule's rate."""

    cells: tuple[Settings, Settings]
    flat_a: Mapping[str, Any]
    flat_b: Mapping[str, Any]
    keys: frozenset[str]
    factors: frozenset[str]
    ratios: tuple[float | None, float | None]

    def difference(self, key: str) -> Difference:
        a, b = self.flat_a.get(key, NOT_RECORDED), self.flat_b.get(key, NOT_RECORDED)
        kind, reason, follows = self._kind(key, a, b)
        return Difference(key, a, b, rule_of(key).topic.format(key=key), reason, kind, follows)

    def equal_but_flawed(self) -> list[Difference]:
        """Confounders that are no difference: both learnt what they are scored on; one rate for two
        optimizers."""
        reasons = {}
        if "train_val_overlap" in self.flat_a:
            reasons["train_val_overlap"] = rule_of("train_val_overlap").reason
        if "optimizer" in self.keys and "lr_per_sample" in self.flat_a and self._off_rule():
            reasons["lr_per_sample"] = self._rates()
        flawed = []
        for key, reason in reasons.items():
            if key not in self.keys:
                a, b = self.flat_a[key], self.flat_b[key]
                flawed.append(Difference(key, a, b, rule_of(key).topic, reason, "confounder"))
        return flawed

    def _kind(self, key: str, a: Any, b: Any) -> tuple[DifferenceKind, str, tuple[str, ...]]:
        """What the key is to the comparison, why, and the causes of a consequence."""
        rule = rule_of(key)
        alone = NOT_RECORDED in (str(a), str(b))
        if key in self.factors:
            return "declared", "the comparison is about it", ()
        harmless = self._harmless(key, a, b)
        if harmless:
            return "harmless", harmless, ()
        if key == "lr_per_sample" and not alone:
            if "optimizer" in self.keys and not self._off_rule():
                return "consequence", "each optimizer has its own usual rate", ("optimizer",)
            return "confounder", f"{rule.reason}; {self._rates()}", ()
        if key == "images_an_epoch" and _EARLY in self.flat_a and _EARLY in self.flat_b:
            return "consequence", "both stop by the same rule", ("early stopping",)
        causes = tuple(cause for cause in rule.follows if cause in self.keys)
        if causes and rule.only in ("", "one" if alone else "both"):
            return "consequence", rule.reason, causes
        if alone and not key.startswith("config."):
            return "confounder", f"nobody knows whether it was the same; {rule.reason}", ()
        return "confounder", rule.reason, ()

    def _harmless(self, key: str, a: Any, b: Any) -> str:
        """Why a difference in the key decides nothing; "" where it may."""
        rule = rule_of(key)
        if rule.harmless:
            return rule.reason
        same_path = not key.endswith("ann_file") or same_file(a, b)
        if rule.same and self._same(rule.same) and same_path:
            return f"{rule.same} is the same"
        as_many = rule.topic == "batch normalisation" and self._same("batch_size")
        if as_many and not any(trains_batch_norm(cell.config) for cell in self.cells):
            return "as many images make a step, and no batch norm is trained"
        return ""

    def _same(self, key: str) -> bool:
        return key not in self.keys and self.flat_a.get(key) not in (None, "")

    def _off_rule(self) -> bool:
        return any(ratio is not None and abs(ratio - 1) > _ROUNDING for ratio in self.ratios)

    def _rates(self) -> str:
        first, second = (
            "an unknown multiple of" if ratio is None else f"{ratio:.3g} times"
            for ratio in self.ratios
        )
        a, b = self.cells
        return f"{a.name} has {first} and {b.name} {second} the linear rule's rate"
