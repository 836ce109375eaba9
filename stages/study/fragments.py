"""The config fragments that a row of params.yaml may name: one file each in configs/."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The factors of a cell that are fragments in configs/.
PARTS = ("detector", "backbone", "neck", "optimizer")


def known(part: str, root: Path = ROOT) -> list[str]:
    """The fragments there are: `known("backbones")` lists configs/backbones/*.py by name."""
    return sorted(path.stem for path in (root / "configs" / part).glob("*.py"))
