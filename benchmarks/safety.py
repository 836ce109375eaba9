"""What checkpoint safety and tracking cost a training, as a share of its time.

Run, after `dvc repro prepare`: python -m benchmarks.safety [CELL] [KEY=VALUE ...]

Accounts within one training, so that a machine with other work on it cannot blur a share of a hundredth. Waited: the
seconds that the training's own thread spent in the code of states, checkpoints, history, lock and MLflow instead of
steps and validations, from its first line to its last. Beside: the CPU seconds of the threads that write and send
meanwhile. KEY=VALUE changes a parameter of the scale.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.workspace import workspace
from stages.study import params, yaml_text

MEASURED = "measured.json"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["measure"]:
        measure(arguments[1])
        return
    switches = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    study = params.load_study()
    cell = next(
        (argument for argument in arguments if "=" not in argument), next(iter(study.selected()))
    )
    study.cell(cell)

    def change(values: dict[str, Any]) -> None:
        values["scales"][study.scale].update(
            {key: yaml_text.loads(value) for key, value in switches.items()}
        )

    with workspace(change) as copy:
        copy.run("benchmarks.safety", "measure", cell)
        found = json.loads((copy.folder / MEASURED).read_text(encoding="utf-8"))
    whole, waited, beside = (
        found["whole"],
        sum(found["waited"].values()),
        sum(found["beside"].values()),
    )
    print(f"{cell} at scale {study.scale}: {whole:.1f} s, of these {found['cpu']:.1f} s on the CPU")
    for title, parts in (("waited", found["waited"]), ("beside", found["beside"])):
        for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
            print(f"{title:8s} {name:40s} {seconds:8.3f} s {seconds / whole:8.3%}")
    print(
        f"the training waited {waited:.3f} s for its safety and its tracking: {waited / whole:.2%} of its time; "
        f"threads beside it used {beside:.2f} s of CPU"
    )


def measure(cell: str) -> None:
    """Trains the cell and writes what it spent where, in seconds."""
    import stages.train
    from stages.model import resolve
    from stages.safety import keeper, lock, record, workspace
    from stages.tracking.cells import TrainingRun
    from stages.training import history, image_cache

    # The cache is shared by cells and made once.
    study = params.load_study()
    if study.training.image_cache:
        image_cache.use(resolve.config(cell, study, resolve.read_prepared(study)), "train", "val")
    waited: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    inside = [0]

    def clock(owner: Any, *names: str) -> None:
        for name in names:
            original = getattr(owner, name)

            @functools.wraps(original)
            def timed(*args: Any, original: Any = original, name: str = name, **kwargs: Any) -> Any:
                # What one of these calls of another is that one's.
                if inside[0] or threading.current_thread() is not threading.main_thread():
                    return original(*args, **kwargs)
                inside[0], start = 1, time.perf_counter()
                try:
                    return original(*args, **kwargs)
                finally:
                    inside[0] = 0
                    waited[
                        f"{getattr(owner, '__name__', owner)}.{name}".removeprefix("stages.")
                    ] += time.perf_counter() - start

            setattr(owner, name, timed)

    clock(
        keeper.KeeperHook,
        "before_train",
        "after_train_iter",
        "after_train_epoch",
        "after_val_iter",
        "after_val",
    )
    clock(keeper.CheckpointsHook, "after_val_epoch", "finish")
    clock(history.HistoryHook, "after_train_iter", "after_train_epoch", "after_val_epoch")
    clock(record.ProgressHook, "after_train_iter", "after_val_epoch")
    clock(TrainingRun, "__init__", "rows", "metrics", "record", "end")
    clock(workspace, "open_")
    clock(workspace.Workspace, "publish")
    clock(lock, "_take", "_write")
    run = threading.Thread.run

    def counted(thread: threading.Thread) -> None:
        try:
            run(thread)
        finally:
            beside[thread.name.rstrip("_0123456789")] += time.thread_time()

    threading.Thread.run = counted
    start, cpu = time.perf_counter(), time.process_time()
    stages.train.main(cell)
    whole, cpu = time.perf_counter() - start, time.process_time() - cpu
    found = {"whole": whole, "cpu": cpu, "waited": waited, "beside": beside}
    Path(MEASURED).write_text(json.dumps(found), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
