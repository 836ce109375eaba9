"""What MLflow is told of a comparison: tags, metrics and a table of classes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stages.report.summary import csv_text
from stages.report.texts import escape
from stages.report.verdicts.hypotheses import HYPOTHESIS_OUTCOMES
from stages.results.cell import CellResult
from stages.study import names
from stages.study.counts import count
from stages.study.params import Study
from stages.study.paths import EVALUATED
from stages.verdict.hypotheses import expected_false_alarms
from stages.verdict.judgement import Group, Judgement

# Of a class's name in a metric's; MLflow allows 250 characters in all.
_LONGEST_NAME = 60
_COLUMNS = (
    *("cell", "split", "kind", "name", "metric", "boxes", "thin"),
    *("AP", "AP_low", "AP_high", "AP50", "AP50_low", "AP50_high"),
)


def comparison_digest(judgement: Judgement, cells: Iterable[CellResult]) -> str:
    """32 hex digits over all that was concluded and the runs that it rests on."""
    content = [_plain(judgement), [[cell.name, cell.run_id] for cell in cells]]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def comparison_name(judgement: Judgement, study: Study) -> str:
    """Of the comparison's run: "comparison of 13 cells", with the selection where there is one."""
    text = f"comparison of {count(len(judgement.repeats), 'cells')}"
    for key, value in (("backbone", study.backbone), ("neck", study.neck)):
        if value:
            text += f", {key} {value}"
    return text


def comparison_tags(judgement: Judgement, study: Study) -> dict[str, str]:
    """Of the comparison's run. hypothesis.1, .2, ... are supported, rejected or undecided, in
    params.yaml's order; more_images.1, .2, ...: a sentence for each learning curve."""
    choice = judgement.choice
    table = {
        "kind": "comparison",
        "scale": study.scale,
        "metric": judgement.metric,
        "best": choice.best or "",
        "chosen": choice.chosen or "",
        "verdict": "holds" if judgement.holds else "does not hold",
        "why": judgement.why,
        "shown": _yes(choice.shown),
        "margin": f"{judgement.margin:g}",
        "possible_best": ", ".join(judgement.possible_best),
        **names.tags(study),
        "selection.backbone": study.backbone,
        "selection.neck": study.neck,
        "holes": "; ".join(f"{row}: {reason}" for row, reason in judgement.holes.items()),
    }
    for number, finding in enumerate(judgement.findings, 1):
        table[f"hypothesis.{number}"] = finding.outcome
        table[f"hypothesis.{number}.sentence"] = finding.sentence
    for number, share in enumerate(judgement.shares, 1):
        table[f"more_images.{number}"] = share.sentence
    return table


def comparison_note(judgement: Judgement) -> str:
    """What MLflow's page of the comparison shows as its description, in Markdown."""
    lines = [judgement.choice.sentence, judgement.why, judgement.front.sentence]
    lines += [finding.sentence for finding in judgement.findings]
    if number := expected_false_alarms(judgement.findings):
        lines.append(
            f"Of these hypotheses at most {number:.2g} would be expected to be decided by chance alone."
        )
    lines += [share.sentence for share in judgement.shares]
    lines += [f"{row} is left out: {reason}" for row, reason in judgement.holes.items()]
    return "\n\n".join(escape(judgement.named(line)) for line in lines if line)


def comparison_metrics(judgement: Judgement) -> dict[str, float]:
    """Of the comparison's run: counts; of each cell the metric that decides with the ends of its
    95 % interval, such as val_bbox_mAP_50_low/<cell>, its probability to be the best and its
    losses; what twice the training images would give the last cell of each learning curve, the gain
    itself only where it can be told."""
    values = {
        "cells": float(len(judgement.repeats)),
        "holes": float(len(judgement.holes)),
        **dict.fromkeys(HYPOTHESIS_OUTCOMES, 0.0),
        "false_alarms_expected": expected_false_alarms(judgement.findings),
        "margin": judgement.margin,
    }
    for finding in judgement.findings:
        values[finding.outcome] += 1
    for cell in judgement.repeats:
        for key, value in {**_deciding(judgement, cell), **_standing(judgement, cell)}.items():
            values[f"{key}/{cell}"] = value
    for share in judgement.shares:
        gain, cell = share.curve.doubled, share.cells[-1]
        if not gain.useless:
            values[f"more_images_gain/{cell}"] = gain.value
        values[f"more_images_low/{cell}"] = gain.low
        values[f"more_images_high/{cell}"] = gain.high
    return values


def cell_tags(judgement: Judgement, cell: str) -> dict[str, str]:
    """Of a cell's run and its repeats': against the best, in the Pareto front, in the end."""
    standing = judgement.standings.get(cell)
    return {
        "kind": "cell",
        "verdict": "no verdict" if standing is None else standing.word,
        "pareto": judgement.front.place(cell),
        "chosen": _yes(cell == judgement.choice.chosen),
        "possible_best": _yes(cell in judgement.possible_best),
    }


def cell_metrics(judgement: Judgement, cell: str) -> dict[str, float]:
    """The metric that decides and the difference to the best, each with the ends of its 95 %
    interval, that of the difference simultaneous; the probability to be the best and the losses. On
    MLflow's page of charts this group stands last, below the study's panels."""
    best = judgement.choice.best
    values = {**_deciding(judgement, cell), **_standing(judgement, cell)}
    pair = judgement.pair(cell, best) if best and best != cell else None
    if pair is not None and cell in judgement.standings:
        values["to_best"] = pair.difference.value
        values["to_best_low"], values["to_best_high"] = judgement.standings[cell].interval
    return {f"verdict/{key}": value for key, value in values.items()}


def _deciding(judgement: Judgement, cell: str) -> dict[str, float]:
    """The metric that decides, and the ends of its interval."""
    estimate = judgement.estimates.get(cell, {}).get(judgement.metric)
    if estimate is None:
        return {}
    key = _allowed(judgement.metric.replace("/", "_").replace("[", " ").replace("]", " "))
    return {key: estimate.value, f"{key}_low": estimate.low, f"{key}_high": estimate.high}


def _standing(judgement: Judgement, cell: str) -> dict[str, float]:
    standing = judgement.standings.get(cell)
    if standing is None:
        return {}
    return {
        "p_best": standing.p_best,
        "expected_loss": standing.expected_loss,
        "loss_high": standing.loss_high,
    }


def class_metrics(cell: CellResult, keys: Mapping[str, str]) -> dict[str, float]:
    """AP50 of each class that has boxes, such as "val/AP50/01 General trash"."""
    values = {}
    for split in EVALUATED:
        for score in cell.per_class[split]:
            if score.AP50 is not None:
                values[f"{split}/AP50/{keys[score.name]}"] = score.AP50
    return values


def class_keys(cells: Iterable[CellResult]) -> dict[str, str]:
    """Class -> its part of a metric's name: its number from 1, which tells it from all others, and
    what MLflow allows of its name. classes.csv has both, so that every metric leads back to its
    class."""
    numbers: dict[str, int] = {}
    for cell in cells:
        for split in EVALUATED:
            for score in cell.per_class[split]:
                numbers.setdefault(score.name, len(numbers) + 1)
    digits = max(2, len(str(len(numbers))))
    keys = {}
    for class_name, number in numbers.items():
        keys[class_name] = f"{number:0{digits}} {_allowed(class_name)}".strip()
    return keys


def classes_csv(judgement: Judgement, keys: Mapping[str, str]) -> str:
    """A row for each class and size of each cell and split; empty where the split has no such box.
    `metric` is the class's part of the metric names on the cells' runs."""
    rows: list[Sequence[object]] = [_COLUMNS]
    for cell, splits in judgement.groups.items():
        for split, groups in splits.items():
            for group in groups:
                rows.append([cell, split, *_class_row(group, keys)])
    return csv_text(rows)


def _class_row(group: Group, keys: Mapping[str, str]) -> list[Any]:
    """The columns from `kind` on."""
    key = keys.get(group.name, "") if group.kind == "class" else ""
    thin, ends = False, []
    for estimate in (group.AP, group.AP50):
        ends += [getattr(estimate, end, None) for end in ("value", "low", "high")]
        thin = thin or (estimate is not None and estimate.thin)
    return [group.kind, group.name, key, group.boxes, _yes(thin), *ends]


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _allowed(text: str) -> str:
    # Letters of any script, digits and _ - . : and space; a slash begins a group of charts.
    allowed = re.sub(r"[^\w.\- ]", "_", unicodedata.normalize("NFC", text))
    return " ".join(allowed.split())[:_LONGEST_NAME].rstrip()


def _plain(value: Any) -> Any:
    """Something that JSON can write, the same for equal values."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(entry)] for key, entry in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
