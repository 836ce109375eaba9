"""The metrics that are judged: the study's own on both splits, and those of classes and sizes that
it names."""

from __future__ import annotations

from collections.abc import Sequence

from stages.study import group_metrics
from stages.study.group_metrics import GroupMetric
from stages.study.params import Study
from stages.verdict.replicates import STUDY, Statistic


def judged(study: Study, split: str, classes: Sequence[str]) -> dict[str, Statistic]:
    """Metric, such as val/bbox_mAP or val/AP50[Platelets], -> its statistic, of those on `split`.

    classes: of the data, in its order, none where it has no box to judge. The metric that decides
    is judged on every split. Raises StudyError for a class that the data has not.
    """
    if classes:
        group_metrics.check_classes(study, classes)
    statistics = {f"{split}/{metric}": statistic for metric, statistic in STUDY.items()}
    rest = study.verdicts.metric.partition("/")[2]
    for metric in (*group_metrics.asked(study), f"{split}/{rest}"):
        group = group_metrics.read(metric)
        if group and group.split == split:
            statistics[metric] = _statistic(group, classes)
    return statistics


def _statistic(group: GroupMetric, classes: Sequence[str]) -> Statistic:
    if group.size:
        return Statistic(group.level, size=group.size)
    if not classes:
        # No run is judged on such a split, whatever the statistic.
        return Statistic(group.level)
    return Statistic(group.level, category=list(classes).index(group.category))
