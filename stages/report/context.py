"""What a report was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from stages.study.metrics import MAX_DETECTIONS

SCALES = ("miniature", "full")


@dataclass(frozen=True)
class ReportContext:
    """What was asked for: `data` is data/prepared/report.json, `listed` every cell of params.yaml
    in its order, `selection` the two scalars of params.yaml ("" or an absent key means all)."""

    scale: str
    seed: int
    data: dict
    selection: dict[str, str]
    listed: tuple[str, ...] | list[str]

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale {self.scale!r} is unknown; known scales: {', '.join(SCALES)}")

    @property
    def max_detections(self) -> int:
        """Detections of a class in an image that the scores count. Earlier data reports do not
        say."""
        return self.data.get("max_detections", MAX_DETECTIONS)
