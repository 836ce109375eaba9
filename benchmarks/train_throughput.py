"""How fast a cell trains: MMDetection as it comes against this project, tracking and checkpoints included.

Run, after `dvc repro prepare`: python -m benchmarks.train_throughput [CELL] [ROUNDS=3] [KEY=VALUE ...]

(a) MMEngine's Runner with MMDetection's defaults: fp32, eager, its hooks, loader (2 workers) and CocoMetric, on the
cell's own config. (b) `python -m stages.train CELL` with the parameters of its scale; KEY=VALUE changes one of them
for (b), such as amp=bf16. Both train the same epochs on the same data in a process of their own, in turns, in a copy
of the project in a temporary folder. Wall time is that of Runner.train(): steps, validations, checkpoints.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

from stages.study import params
from stages.study.params import ROOT

COPIED = ("stages", "benchmarks", "configs", "params.yaml")
WHO = {"a": "MMDetection's defaults", "b": "this project"}


def main(arguments: list[str]) -> None:
    switches = [argument for argument in arguments if "=" in argument]
    rest = [argument for argument in arguments if "=" not in argument]
    study = params.load()
    cell = rest[0] if rest else next(iter(study.selected()))
    study.cell(cell)
    rounds = int(rest[1]) if len(rest) > 1 else 3
    found: dict[str, list[dict]] = {"a": [], "b": []}
    for _ in range(rounds):
        for who in found:
            found[who].append(measured(who, cell, study.scale, switches if who == "b" else []))
            print(f"{WHO[who]}: {found[who][-1]['wall_s']:.1f} s", file=sys.stderr)
    print(f"{cell} at scale {study.scale} on {found['a'][0]['device']}, median of {rounds} rounds "
          f"{' '.join(switches)}")
    print(f"{'':24s} {'img/s':>7s} {'step':>9s} {'data_time':>9s} {'memory':>10s} {'GPU busy':>8s} {'wall':>8s}")
    median = {}
    for who, values in found.items():
        median[who] = {key: statistics.median(value[key] for value in values)
                       for key in ("wall_s", "step_s", "data_share", "peak_mib", "images")}
        busy = [value["busy"] for value in values if value["busy"] is not None]
        one = median[who]
        print(f"{WHO[who]:24s} {one['images'] / one['wall_s']:7.2f} {1000 * one['step_s']:6.0f} ms "
              f"{one['data_share']:9.1%} {one['peak_mib']:6.0f} MiB "
              f"{f'{statistics.median(busy):.0f} %' if busy else 'n/a':>8s} {one['wall_s']:6.1f} s")
    for key, name in (("wall_s", "whole trainings"), ("step_s", "steps")):
        pairs = [a[key] / b[key] for a, b in zip(found["a"], found["b"])]
        print(f"{name}: this project at {median['a'][key] / median['b'][key]:.2f} x the speed of MMDetection's "
              f"defaults (rounds: {', '.join(f'{pair:.2f}' for pair in pairs)})")


def measured(who: str, cell: str, scale: str, switches: list[str]) -> dict:
    """One training in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        (folder / "data").mkdir()
        for part in ("prepared", "weights"):
            if (ROOT / "data" / part).exists():
                (folder / "data" / part).symlink_to((ROOT / "data" / part).resolve())
        values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        for switch in switches:
            key, value = switch.split("=", 1)
            values["scales"][scale][key] = yaml.safe_load(value)
        (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        watch = _Utilisation()
        done = subprocess.run([sys.executable, "-m", "benchmarks.train_throughput", f"--{who}", cell], cwd=folder,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{WHO[who]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return {**json.loads((folder / "measured.json").read_text(encoding="utf-8")), "busy": watch.stop()}


class _Utilisation:
    """Samples how busy the GPU is, once a second."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.going = shutil.which("nvidia-smi") is not None
        self.thread = threading.Thread(target=self._sample, daemon=True)
        self.thread.start()

    def _sample(self) -> None:
        while self.going:
            done = subprocess.run(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"],
                                  capture_output=True, text=True, check=False)
            if done.returncode == 0:
                self.values.append(float(done.stdout.splitlines()[0]))
            time.sleep(1)

    def stop(self) -> float | None:
        self.going = False
        self.thread.join()
        # The first seconds load libraries and images.
        values = [value for value in self.values if value > 0]
        return statistics.median(values) if values else None


def child(who: str, cell: str) -> None:
    """Trains in this process and writes what MMEngine's own timer and clock saw."""
    import mmengine.runner
    import torch
    from mmengine.logging import MessageHub

    from stages.model import memory, session

    wall = []
    train = mmengine.runner.Runner.train

    def timed(runner):
        start = time.perf_counter()
        try:
            return train(runner)
        finally:
            wall.append(time.perf_counter() - start)
            batch = runner.train_dataloader.batch_sampler.batch_size
            wall.append(len(runner.train_dataloader) * batch * runner.max_epochs)

    mmengine.runner.Runner.train = timed
    study = params.load()
    if who == "b":
        import stages.train

        stages.train.main(cell)
    else:
        if study.training.threads:
            torch.set_num_threads(study.training.threads)
        cfg = session.config(cell, study, session.read_prepared())
        for split in ("train", "val", "test"):
            # What MMDetection's own configs say.
            cfg[f"{split}_dataloader"].update(num_workers=2, persistent_workers=True)
        if study.training.weights != "none":
            from stages.model import pretrained

            cfg.model.backbone.init_cfg = None
            runner = mmengine.runner.Runner.from_cfg(cfg)
            runner.register_hook(pretrained.PretrainedHook(pretrained.read(study.cell(cell).backbone, "imagenet")))
        else:
            runner = mmengine.runner.Runner.from_cfg(cfg)
        runner.train()
    scalars = MessageHub.get_current_instance().log_scalars
    times, loading = (scalars[f"train/{name}"].data[0] for name in ("time", "data_time"))
    warm = len(times) // 10
    Path("measured.json").write_text(json.dumps({
        "wall_s": wall[0], "images": wall[1], "step_s": statistics.median(times[warm:]),
        "data_share": sum(loading[warm:]) / sum(times[warm:]), "peak_mib": memory.peak_mib(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"}), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] in (["--a"], ["--b"]):
        child(sys.argv[1][2:], sys.argv[2])
    else:
        main(sys.argv[1:])
