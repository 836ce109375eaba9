"""The cells that are measured; free of heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Model:
    """A row of params.yaml as the measurements want it, whatever the rows there are."""

    detector: str
    backbone: str
    image_size: int = 512

    @property
    def name(self) -> str:
        return f"{self.detector}-{self.backbone}-fpn-sgd-{self.image_size}"

    def row(self) -> dict[str, Any]:
        return {
            "detector": self.detector,
            "backbone": self.backbone,
            "neck": "fpn",
            "optimizer": "sgd",
            "image_size": self.image_size,
        }
