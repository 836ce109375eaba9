"""Whether two cells were compared fairly: what they differ in beside the factor that the comparison
is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from stages.model.schedule import REFERENCE_BATCH
from stages.verdict.consequences import rule_of
from stages.verdict.settings import (
    NOT_RECORDED,
    Settings,
    differ,
    recorded,
    same_file,
    trains_batch_norm,
    with_configs,
)

# For REFERENCE_BATCH images a step. SGD: mmdet/configs/_base_/schedules/schedule_1x.py; AdamW:
# configs/swin of MMDetection. A study's own (`scales.<scale>.lr` of params.yaml) is handed in.
REFERENCE_LR = {"sgd": 0.02, "adamw": 0.0001}
# Without these nobody can say that a comparison was fair.
NEEDED = (
    "batch_size",
    "lr_per_sample",
    "epochs",
    "image_size",
    "seed",
    "weights",
    "data_digest",
    "git_commit",
)
# Rates within a hundredth of the linear rule count as on it: people round.
_ROUNDING = 0.01
_LONGEST_SHOWN = 60

Kind = Literal["declared", "confounder", "consequence", "harmless"]


@dataclass(frozen=True)
class Difference:
    """One key with both values, in the units of run.json and the config. `follows`: the causes of a
    consequence."""

    key: str
    a: Any
    b: Any
    topic: str
    why: str
    kind: Kind
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

    def of(self, kind: Kind) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.kind == kind)

    @property
    def confounders(self) -> tuple[Difference, ...]:
        return self.of("confounder")

    @property
    def fair(self) -> bool:
        return not self.confounders

    @property
    def verdict(self) -> Literal["fair", "confounded"]:
        return "fair" if self.fair else "confounded"

    @property
    def topics(self) -> tuple[str, ...]:
        """What the confounders are about, each once: ("batch size", "length of training")."""
        return tuple(dict.fromkeys(one.topic for one in self.confounders))

    def swapped(self) -> Fairness:
        """The same of b and a."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            differences=tuple(replace(one, a=one.b, b=one.a) for one in self.differences),
        )

    @property
    def sentence(self) -> str:
        """The verdict with the first difference of every topic, in plain text."""
        compared = [one.key for one in self.of("declared")]
        text = (
            f"{self.a} and {self.b} {'differ' if compared else 'do not differ'} in "
            f"{' and '.join(compared or self.factors)}"
        )
        if not self.fair:
            shown = {
                one.topic: f"{one.topic} ({show(one.a)} against {show(one.b)})"
                for one in reversed(self.confounders)
            }
            return (
                f"Confounded: {text}, {'and also' if compared else 'but'} in "
                f"{', '.join(shown[topic] for topic in self.topics)}."
            )
        if not compared:
            return f"Nothing to compare: {text}."
        follows = f" and what follows from {'it' if len(compared) == 1 else 'them'}" * bool(
            self.of("consequence")
        )
        return f"Fair: {text}{follows}, in nothing else that is known."


def compare(
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
    one, other = recorded(a), recorded(b)
    cautions = _cautions(one, other, reference_lr)
    if a.config and b.config:
        one, other = with_configs(one, a, other, b)
    else:
        absent = [cell.name for cell in (a, b) if not cell.config]
        cautions.append(
            f"The resolved config of {' and of '.join(absent)} is not at hand and was not compared."
        )
    found = [key for key in dict.fromkeys((*one, *other)) if differ(key, one, other)]
    judge = _Judge(a, b, one, other, frozenset(found), tuple(factors), reference_lr)
    differences = (*map(judge.difference, found), *judge.equal_but_flawed())
    several = [one.key for one in differences if one.kind == "declared"]
    if len(several) > 1:
        cautions.append(
            f"No difference between them can be put down to one of {', '.join(several)}."
        )
    return Fairness(a.name, b.name, tuple(factors), differences, tuple(cautions))


def show(value: Any) -> str:
    """A value in a sentence: numbers in four digits, long texts cut."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _rule_ratio(known: Mapping[str, Any], reference: Mapping[str, float]) -> float | None:
    """The rate for one image as a multiple of the linear rule's (Goyal et al., arXiv:1706.02677),
    None if unknown."""
    rate, usual = known.get("lr_per_sample"), reference.get(str(known.get("optimizer")))
    return rate * REFERENCE_BATCH / usual if rate is not None and usual else None


def _cautions(
    one: Mapping[str, Any], other: Mapping[str, Any], reference: Mapping[str, float]
) -> list[str]:
    found = []
    first, second = (_rule_ratio(known, reference) for known in (one, other))
    same = one.get("optimizer") == other.get("optimizer") and None not in (first, second)
    if same and math.isclose(first, second) and abs(first - 1) > _ROUNDING:
        found.append(f"Both have {first:.3g} times the learning rate of the linear rule.")
    unknown = [key for key in NEEDED if one.get(key) in (None, "") and other.get(key) in (None, "")]
    if unknown:
        found.append(f"Not recorded for either: {', '.join(unknown)}.")
    threads = {known["threads_used"] for known in (one, other) if "threads_used" in known}
    if len(threads) > 1:
        found.append(
            f"Trained with {' and '.join(map(str, sorted(threads)))} CPU threads, which round otherwise."
        )
    if any(str(known.get("git_commit", "")).endswith("+changes") for known in (one, other)):
        found.append("Trained with changes that no commit holds.")
    return found


@dataclass(frozen=True)
class _Judge:
    """Applies the rules to one pair: one and other are the flat settings, found the keys that
    differ."""

    a: Settings
    b: Settings
    one: Mapping[str, Any]
    other: Mapping[str, Any]
    found: frozenset[str]
    factors: tuple[str, ...]
    reference: Mapping[str, float]

    def difference(self, key: str) -> Difference:
        a, b = self.one.get(key, NOT_RECORDED), self.other.get(key, NOT_RECORDED)
        kind, why, follows = self._kind(key, a, b)
        return Difference(key, a, b, rule_of(key).topic.format(key=key), why, kind, follows)

    def equal_but_flawed(self) -> list[Difference]:
        """Confounders that are no difference: both learnt what they are scored on; one rate for two
        optimizers."""
        flawed = ["train_val_overlap"] if "train_val_overlap" in self.one else []
        if "optimizer" in self.found and "lr_per_sample" in self.one and self._off_rule():
            flawed.append("lr_per_sample")
        whys = {
            "train_val_overlap": rule_of("train_val_overlap").why,
            "lr_per_sample": self._ratios(),
        }
        return [
            Difference(
                key, self.one[key], self.other[key], rule_of(key).topic, whys[key], "confounder"
            )
            for key in flawed
            if key not in self.found
        ]

    def _kind(self, key: str, a: Any, b: Any) -> tuple[Kind, str, tuple[str, ...]]:
        rule, alone = rule_of(key), NOT_RECORDED in (str(a), str(b))
        if key in self.factors:
            return "declared", "the comparison is about it", ()
        if rule.harmless:
            return "harmless", rule.why, ()
        if (
            rule.same
            and self._same(rule.same)
            and (not key.endswith("ann_file") or same_file(a, b))
        ):
            return "harmless", f"{rule.same} is the same", ()
        if (
            rule.topic == "batch normalisation"
            and self._same("batch_size")
            and not (trains_batch_norm(self.a.config) or trains_batch_norm(self.b.config))
        ):
            return "harmless", "as many images make a step, and no batch norm is trained", ()
        if key == "lr_per_sample" and not alone:
            if "optimizer" in self.found and not self._off_rule():
                return "consequence", "each optimizer has its own usual rate", ("optimizer",)
            return "confounder", f"{rule.why}; {self._ratios()}", ()
        if key == "images_an_epoch" and all(
            "config.custom_hooks[EarlyStoppingHook].type" in known
            for known in (self.one, self.other)
        ):
            return "consequence", "both stop by the same rule", ("early stopping",)
        causes = tuple(cause for cause in rule.follows if cause in self.found)
        if causes and rule.only in ("", "one" if alone else "both"):
            return "consequence", rule.why, causes
        unknown = alone and not key.startswith("config.")
        return (
            "confounder",
            f"nobody knows whether it was the same; {rule.why}" if unknown else rule.why,
            (),
        )

    def _same(self, key: str) -> bool:
        return key not in self.found and self.one.get(key) not in (None, "")

    def _off_rule(self) -> bool:
        ratios = (_rule_ratio(known, self.reference) for known in (self.one, self.other))
        return any(ratio is not None and abs(ratio - 1) > _ROUNDING for ratio in ratios)

    def _ratios(self) -> str:
        ratios = [_rule_ratio(known, self.reference) for known in (self.one, self.other)]
        shown = [
            "an unknown multiple of" if ratio is None else f"{ratio:.3g} times" for ratio in ratios
        ]
        return f"{self.a.name} has {shown[0]} and {self.b.name} {shown[1]} the linear rule's rate"
