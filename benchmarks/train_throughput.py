"""How fast a cell trains: MMDetection as it comes against this project, tracking and checkpoints included.

Run, after `dvc repro prepare`: python -m benchmarks.train_throughput [CELL] [ROUNDS=3] [KEY=VALUE ...]

(a) MMEngine's Runner with MMDetection's defaults: fp32, eager, its hooks, loader (2 workers) and CocoMetric, on the
cell's own config. (b) `python -m stages.train CELL`. KEY=VALUE changes a parameter of the scale: for both where it
says what is trained (epochs, batch_size, ...), for (b) alone where it says how (amp=bf16, image_cache=true, ...).
Each training is a process of its own in a copy of the project; (a) and (b) take turns. Wall time is that of
Runner.train(): steps, validations, checkpoints.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.utilisation import Utilisation
from benchmarks.workspace import workspace
from stages.study import params, yaml_text

NAMES = {"a": "MMDetection's defaults", "b": "this project"}
# What is trained must be the same on both sides.
SHARED = {
    "epochs",
    "milestones",
    "batch_size",
    "image_scale",
    "warmup_iterations",
    "weights",
    "lr",
    "clip_grad",
    "threads",
}
MEASURED = "measured.json"


def main(arguments: list[str]) -> None:
    switches = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    rest = [argument for argument in arguments if "=" not in argument]
    study = params.load_study()
    cell = rest[0] if rest else next(iter(study.selected()))
    study.cell(cell)
    rounds = int(rest[1]) if len(rest) > 1 else 3
    found = compare(cell, study.scale, rounds, switches)
    print(
        f"{cell} at scale {study.scale} on {found['a'][0]['device']}, median of {rounds} rounds "
        + " ".join(f"{key}={value}" for key, value in switches.items())
    )
    print(
        f"{'':24s} {'img/s':>7s} {'step':>9s} {'data_time':>9s} {'memory':>10s} {'GPU busy':>8s} {'wall':>8s}"
    )
    for side, values in found.items():
        one = median(values)
        busy = "n/a" if one["busy"] is None else f"{one['busy']:.0f} %"
        print(
            f"{NAMES[side]:24s} {one['images'] / one['wall_s']:7.2f} {1000 * one['step_s']:6.0f} ms "
            f"{one['data_share']:9.1%} {one['peak_mib']:6.0f} MiB {busy:>8s} {one['wall_s']:6.1f} s"
        )
    for key, name in (("wall_s", "whole trainings"), ("step_s", "steps")):
        pairs = [a[key] / b[key] for a, b in zip(found["a"], found["b"])]
        print(
            f"{name}: this project at {statistics.median(pairs):.2f} x the speed of MMDetection's defaults "
            f"(rounds: {', '.join(f'{pair:.2f}' for pair in pairs)})"
        )


def compare(
    cell: str, scale: str, rounds: int, switches: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """What each training of the two sides measured, by round."""
    found: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for _ in range(rounds):
        for side, values in found.items():
            values.append(measured(side, cell, scale, switches))
            print(f"{NAMES[side]}: {values[-1]['wall_s']:.1f} s", file=sys.stderr)
    return found


def median(values: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number; None where it could not be measured."""
    return {
        key: None if values[0][key] is None else statistics.median(value[key] for value in values)
        for key in ("wall_s", "step_s", "data_share", "peak_mib", "images", "busy")
    }


def measured(side: str, cell: str, scale: str, switches: dict[str, str]) -> dict[str, Any]:
    """One training in a process and a folder of its own."""

    def change(values: dict[str, Any]) -> None:
        values["scale"] = scale
        for key, value in switches.items():
            if side == "b" or key in SHARED:
                values["scales"][scale][key] = yaml_text.loads(value)

    with workspace(change) as copy:
        watch = Utilisation()
        copy.run("benchmarks.train_throughput", f"--{side}", cell)
        busy = watch.stop()
        return {**json.loads((copy.folder / MEASURED).read_text(encoding="utf-8")), "busy": busy}


def child(side: str, cell: str) -> None:
    """Trains in this process and writes what MMEngine's own timer and a clock saw."""
    import mmengine.runner
    import torch
    from mmengine.logging import MessageHub

    from stages.safety.resources import peak_mib

    clock: dict[str, float] = {}
    train = mmengine.runner.Runner.train

    def timed(runner: Any) -> Any:
        start = time.perf_counter()
        result = train(runner)
        clock["wall_s"] = time.perf_counter() - start
        clock["images"] = (
            len(runner.train_dataloader)
            * runner.train_dataloader.batch_sampler.batch_size
            * runner.max_epochs
        )
        return result

    mmengine.runner.Runner.train = timed
    if side == "b":
        import stages.train

        stages.train.main(cell)
    else:
        default_runner(cell).train()
    scalars = MessageHub.get_current_instance().log_scalars
    times, loading = (scalars[f"train/{name}"].data[0] for name in ("time", "data_time"))
    warm = len(times) // 10
    Path(MEASURED).write_text(
        json.dumps(
            {
                **clock,
                "step_s": statistics.median(times[warm:]),
                "data_share": sum(loading[warm:]) / sum(times[warm:]),
                "peak_mib": peak_mib(),
                "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
            }
        ),
        encoding="utf-8",
    )


def default_runner(cell: str) -> Any:
    """The peer: the cell's config under MMDetection's own hooks, loaders and metric."""
    import torch
    from mmengine.runner import Runner

    from stages.model import resolve

    study = params.load_study()
    if study.training.threads:
        torch.set_num_threads(study.training.threads)
    cfg = resolve.config(cell, study, resolve.read_prepared(study))
    for split in ("train", "val", "test"):
        cfg[f"{split}_dataloader"].update(num_workers=2, persistent_workers=True)
    # Both sides start from the same file; a peer that fetches would be another.
    cfg.model.backbone.init_cfg = None
    # custom_hooks loads what stage weights has written.
    import stages.training.start  # noqa: F401

    return Runner.from_cfg(cfg)


if __name__ == "__main__":
    if sys.argv[1:2] in (["--a"], ["--b"]):
        child(sys.argv[1][2:], sys.argv[2])
    else:
        main(sys.argv[1:])
