"""What MLflow is told of a comparison: tags, metrics and a table of classes, all of it from the judgement."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stages.report.markdown import escape
from stages.report.results import SPLITS, CellResult
from stages.study import names
from stages.study.params import Study
from stages.verdict import wording
from stages.verdict.estimates import Estimate
from stages.verdict.judgement import Judgement

# Of a class's name in a metric's; MLflow allows 250 characters in all.
_LONGEST_NAME = 60
_COLUMNS = ("cell", "split", "kind", "name", "metric", "boxes", "thin",
            *(f"{level}{end}" for level in ("AP", "AP50") for end in ("", "_low", "_high")))


def digest(judgement: Judgement, cells: Sequence[CellResult]) -> str:
    """32 hex digits over all that was concluded and the runs that it rests on: equal means the same comparison."""
    content = [_plain(judgement), [[cell.name, cell.run_id] for cell in cells]]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]


def name(judgement: Judgement, study: Study) -> str:
    """Of the comparison's run: "comparison of 13 cells", with the selection where there is one."""
    number = len(judgement.repeats)
    chosen = [f"{key} {value}" for key, value in (("backbone", study.backbone), ("neck", study.neck)) if value]
    return ", ".join([f"comparison of {number} cell{'s' * (number != 1)}", *chosen])


def tags(judgement: Judgement, study: Study) -> dict[str, str]:
    """Of the comparison's run. hypothesis.1, .2, ... are supported, rejected or undecided, in params.yaml's order."""
    choice = judgement.choice
    found = {
        "kind": "comparison", "scale": study.scale, "metric": judgement.metric, "best": choice.best or "",
        "chosen": choice.chosen or "", "verdict": "holds" if judgement.holds else "does not hold", "why": judgement.why,
        "shown": "yes" if choice.shown else "no", "margin": f"{judgement.margin:g}",
        "possible_best": ", ".join(judgement.possible_best),
        **names.tags(study), "selection.backbone": study.backbone, "selection.neck": study.neck,
        "holes": "; ".join(f"{row}: {why}" for row, why in judgement.holes.items())}
    for number, finding in enumerate(judgement.findings, 1):
        found |= {f"hypothesis.{number}": finding.outcome, f"hypothesis.{number}.sentence": finding.sentence}
    return found


def note(judgement: Judgement) -> str:
    """What MLflow's page of the comparison shows as its description, in Markdown."""
    lines = [judgement.choice.sentence, judgement.why, judgement.front.sentence,
             *(finding.sentence for finding in judgement.findings), wording.false_alarms(judgement.false_alarms),
             *(f"{row} is left out: {why}" for row, why in judgement.holes.items())]
    return "\n\n".join(escape(judgement.named(line)) for line in lines if line)


def metrics(judgement: Judgement) -> dict[str, float]:
    """Of the comparison's run: how many cells, holes, hypotheses of each outcome and expected false alarms; the
    deciding metric of each cell with the ends of its 95 % interval, such as val_bbox_mAP_50_low/<cell>, its probability
    to be the best and its losses."""
    outcomes = [finding.outcome for finding in judgement.findings]
    found = {"cells": float(len(judgement.repeats)), "holes": float(len(judgement.holes)),
             **{outcome: float(outcomes.count(outcome)) for outcome in ("supported", "rejected", "undecided")},
             "false_alarms_expected": judgement.false_alarms, "margin": judgement.margin}
    decides = _metric_key(judgement.metric)
    for cell in judgement.repeats:
        ends = _interval(decides, judgement.estimates.get(cell, {}).get(judgement.metric))
        found |= {f"{key}/{cell}": value for key, value in {**ends, **_standing(judgement, cell)}.items()}
    return found


def cell_tags(judgement: Judgement, cell: str) -> dict[str, str]:
    """Of a cell's run, and of those of its repeats: what it is against the best, in the Pareto front and in the end."""
    choice, front = judgement.choice, judgement.front
    standing = judgement.standings.get(cell)
    verdict = "no verdict" if standing is None else standing.word
    pareto = "member" if cell in front.members else next(
        (word for word, found in (("dominated", front.dominated), ("incomplete", front.incomplete))
         if any(one.name == cell for one in found)), "not placed")
    return {"kind": "cell", "verdict": verdict, "pareto": pareto, "chosen": "yes" if cell == choice.chosen else "no",
            "possible_best": "yes" if cell in judgement.possible_best else "no"}


def cell_metrics(judgement: Judgement, cell: str) -> dict[str, float]:
    """The metric that decides and the difference to the best, each with the ends of its 95 % interval, that of the
    difference simultaneous; the probability to be the best and the losses. On MLflow's page of charts this group stands
    last, below the study's panels."""
    choice = judgement.choice
    decides = _metric_key(judgement.metric)
    found = _interval(f"verdict/{decides}", judgement.estimates.get(cell, {}).get(judgement.metric))
    pair = judgement.pair(cell, choice.best) if choice.best and choice.best != cell else None
    if pair is not None and cell in judgement.standings:
        low, high = judgement.standings[cell].interval
        found |= {"verdict/to_best": pair.difference.value, "verdict/to_best_low": low, "verdict/to_best_high": high}
    return found | {f"verdict/{key}": value for key, value in _standing(judgement, cell).items()}


def _standing(judgement: Judgement, cell: str) -> dict[str, float]:
    standing = judgement.standings.get(cell)
    if standing is None:
        return {}
    return {"p_best": standing.p_best, "expected_loss": standing.expected_loss, "loss_high": standing.loss_high}


def class_metrics(cell: CellResult, keys: Mapping[str, str]) -> dict[str, float]:
    """AP50 of each class that has boxes, such as "val/AP50/01 General trash"."""
    return {f"{split}/AP50/{keys[score.name]}": score.AP50
            for split in SPLITS for score in cell.per_class[split] if score.AP50 is not None}


def class_keys(cells: Iterable[CellResult]) -> dict[str, str]:
    """Class -> its part of a metric's name: its number from 1, which tells it from all others, and what MLflow
    allows of its name. classes.csv has both, so that every metric leads back to its class."""
    names = list(dict.fromkeys(score.name for cell in cells for split in SPLITS for score in cell.per_class[split]))
    digits = max(2, len(str(len(names))))
    return {one: f"{number:0{digits}} {_allowed(one)}".strip() for number, one in enumerate(names, 1)}


def classes_csv(judgement: Judgement, keys: Mapping[str, str]) -> str:
    """A row for each class and size of each cell and split; empty where the split has no such box. `metric` is the
    class's part of the metric names on the cells' runs."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for cell, splits in judgement.groups.items():
        for split, groups in splits.items():
            for group in groups:
                key = keys.get(group.name, "") if group.kind == "class" else ""
                ends = [None if one is None else getattr(one, end)
                        for one in (group.AP, group.AP50) for end in ("value", "low", "high")]
                thin = any(one is not None and one.thin for one in (group.AP, group.AP50))
                writer.writerow([cell, split, group.kind, group.name, key, group.boxes, "yes" if thin else "no", *ends])
    return stream.getvalue()


def _interval(key: str, one: Estimate | None) -> dict[str, float]:
    return {} if one is None else {key: one.value, f"{key}_low": one.low, f"{key}_high": one.high}


def _metric_key(metric: str) -> str:
    """A metric's name as a part of one of MLflow's: val_bbox_mAP_50, val_AP50 Platelets."""
    return _allowed(metric.replace("/", "_").replace("[", " ").replace("]", " "))


def _allowed(text: str) -> str:
    # MLflow takes letters of any script, digits and _ - . : and space; a slash would begin a group of its charts.
    kept = re.sub(r"[^\w.\- ]", "_", unicodedata.normalize("NFC", text))
    return " ".join(kept.split())[:_LONGEST_NAME].rstrip()


def _plain(value: Any) -> Any:
    """Something that JSON can write, the same for equal values."""
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(one)] for key, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
