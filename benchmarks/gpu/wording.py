"""Measured values in words: for results.md, the terminal and the page."""

from __future__ import annotations

from typing import Any

# Of a measurement's values, those that are shown: how they are called and how they are written.
SHOWN = {
    "images_s": ("images/s", "{:.1f}"),
    "step_ms": ("ms a step", "{:.1f}"),
    "data_share": ("data_time", "{:.1%}"),
    "peak_mib": ("peak MiB", "{:.0f}"),
    "busy": ("GPU busy, %", "{:.0f}"),
    "images": ("images", "{}"),
    "boxes": ("boxes", "{}"),
    "epochs": ("epochs", "{}"),
    "step": ("step", "{}"),
    "best_mAP50": ("best mAP50", "{:.3f}"),
    "learnt": ("all learnt", "{}"),
    "last_loss": ("last loss", "{:.3f}"),
    "killed_at": ("killed after step", "{}"),
    "steps": ("steps", "{}"),
    "equal": ("bit-equal", "{}"),
    "first_difference": ("first step that differs", "{}"),
    "largest_difference": ("largest difference of a loss", "{:.3g}"),
    "train_s": ("train, s", "{:.1f}"),
    "predict_s": ("predict, s", "{:.1f}"),
    "analyse_s": ("analyse, s", "{:.1f}"),
    "costs_s": ("costs, s", "{:.1f}"),
    "device": ("device", "{}"),
    "latency_ms": ("latency, ms", "{:.1f}"),
    "images_per_second": ("images/s in inference", "{:.1f}"),
    "gflops": ("GFLOPs", "{:.0f}"),
    "training_s": ("seconds", "{:.0f}"),
    "refusal": ("its line", "{}"),
}


def line(entry: dict[str, Any]) -> str:
    """An entry of results.jsonl as a line of Markdown."""
    kind = entry["kind"]
    if kind == "start":
        return (
            f"# GPU results\n\nCommit {entry['pack']['commit'] or 'unknown'}, "
            f"scale {entry['scale']}, "
            f"{entry['minutes']:g} minutes.\n"
        )
    if kind == "ready":
        return (
            f"Ready after {entry['seconds']:.0f} s: all imports and a step of r50 ran on "
            f"{entry['device']}."
        )
    if kind == "part":
        return f"\n## {entry['title']}\n"
    if kind == "end":
        return f"\nEnded after {entry['seconds']:.0f} s: {entry['why']}."
    if entry["status"] != "done":
        return f"- {entry['name']}: {entry['status']}: {entry['reason']}"
    return f"- {entry['name']}: {values(entry['values'])}"


def values(measured: dict[str, Any]) -> str:
    """What was measured, without what could not be."""
    return ", ".join(
        f"{name} {cell(measured, key)}"
        for key, (name, _) in SHOWN.items()
        if measured.get(key) is not None
    )


def cell(measured: dict[str, Any], key: str) -> str:
    """One value as it is shown; n/a where it could not be measured."""
    value = measured.get(key)
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return SHOWN[key][1].format(value)
