"""What trained cells cost to run on this machine: latency, throughput and memory.

Every cell is visited once a round (A B C A B C ...), so that whatever happens meanwhile, such as
another program or a warm processor, happens to all of them, and what it does to the numbers shows
as their spread over the rounds.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from stages import machine
from stages.cost.subject import CellSource, Subject
from stages.errors import InputError
from stages.safety.resources import peak_mib, reset_peak

# For the report: what its numbers are.
DEFINITION = (
    "From the decoded image to boxes in COCO's format: resizing, normalising, network, NMS, in "
    "fp32; the median of rounds in which every cell is measured in turn, after a warm-up; the "
    "spread is from the lowest round to the highest."
)
# The range of n values of a distribution holds its median with probability 1 - 2^(1-n), whatever
# the distribution (the sign test's interval: Thompson 1936, Annals of Mathematical Statistics 7):
# .97 of six.
ROUNDS = 6
# Models stay in memory from round to round while they take no more than this share of what is free.
_SHARE_OF_MEMORY = 0.5
_QUANTITIES = ("latency_ms", "images_per_second", "peak_memory_mib")
_ACCOUNT = Path("/proc/stat")


@dataclass
class Visits:
    """A cell's value of each round. latencies: of every pass of one image, in ms."""

    latencies: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    images_per_second: list[float] = field(default_factory=list)
    peak_memory_mib: list[float] = field(default_factory=list)
    others: list[float | None] = field(default_factory=list)
    batch: int = 1


def measure_costs(
    sources: Sequence[CellSource],
    *,
    rounds: int = ROUNDS,
    runs: int = 5,
    batch: int = 8,
    seconds: float = 5.0,
) -> dict[str, Any]:
    """The costs of cells in fp32 on the GPU, or on the CPU with as many threads as torch has been
    given.

    A visit is one pass of one image to warm up, `runs` of one image, and one of `batch` images;
    fewer where they would outlast seconds / rounds, but at least one that counts. Without time for
    a batch, throughput is that of one image.

    A plain dict. machine, device, threads, rounds; others: the mean share of the machine's cores
    that other processes used meanwhile (Neighbours), None on a GPU; cells: name -> {work, costs,
    spread, rounds, batch, others}. work: parameters, trainable, checkpoint_bytes; pixels: [height,
    width] of the first image as the network sees it, padding included; proposals: how many regions
    its RoI heads classified; macs: its multiply-adds, what MMDetection's zoo calls FLOPs; flops:
    twice as many. costs: latency_ms, images_per_second and peak_memory_mib, medians over the
    rounds, which are in `rounds`; latency_p95_ms, of all passes; size_mib, gmacs. spread: [lowest,
    highest] round of the first three.

    A latency is from decoded images to boxes in COCO's format on the CPU; the GPU is waited for.
    peak_memory_mib: of the weights and of a pass of one image: above what was in use before the
    pass; on a CPU what the process has resident.

    Counted are the products of convolutions, linear layers and attention on the path that really
    runs, RoI head included (FlopCounterMode); not normalisation, activation, pooling, RoIAlign and
    NMS. MMEngine's get_model_complexity_info counts the same products, and normalisation and
    upsampling besides (0.5 to 0.6 % more for ResNet and Swin), but needs a traced forward without
    post-processing.

    Raises InputError where a cell's config.py or checkpoint is missing or they do not fit, or there
    is no image.
    """
    if min(batch, runs, rounds) < 1:
        raise InputError(
            f"batch {batch}, runs {runs}, rounds {rounds}: at least 1 of each is needed"
        )
    visits: defaultdict[str, Visits] = defaultdict(Visits)
    work = {}
    loaded: dict[str, Subject] = {}
    fits = _fit(sources)
    for number in range(rounds):
        progress = tqdm(sources, desc=f"round {number + 1}/{rounds}", disable=None, leave=False)
        for source in progress:
            subject = loaded.get(source.name) or Subject(source)
            if fits:
                loaded[source.name] = subject
            subject.enter()
            if source.name not in work:
                # It warms the model up as well.
                work[source.name] = subject.work()
                if fits:
                    # Looked through at each visit, what stays would take most of the time.
                    gc.collect()
                    gc.freeze()
            _visit(subject, visits[source.name], runs, batch, seconds / rounds)
            subject.leave()
    gc.unfreeze()
    cells = {name: _summary(work[name], visits[name]) for name in visits}
    return {
        "definition": DEFINITION,
        "machine": platform.node(),
        "device": device_name(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "others": _mean(cell["others"] for cell in cells.values()),
        "cells": cells,
    }


def _fit(sources: Sequence[CellSource]) -> bool:
    total = 0
    for source in sources:
        # One that is missing is named when it is loaded.
        if source.checkpoint.is_file():
            total += source.checkpoint.stat().st_size
    return total / 2**20 < _SHARE_OF_MEMORY * machine.memory_mib()


def _mean(shares: Iterable[float | None]) -> float | None:
    values = [share for share in shares if share is not None]
    return statistics.fmean(values) if values else None


def _visit(subject: Subject, visits: Visits, runs: int, batch: int, seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    _reset_peak()
    before = peak_mib()
    spent = subject.run(1)
    neighbours = Neighbours()
    times: list[float] = []
    while len(times) < runs and (not times or time.perf_counter() + spent < deadline):
        spent = subject.run(1)
        times.append(spent)
    visits.peak_memory_mib.append(max(0.0, peak_mib() - before) + subject.weights_mib)
    throughput = len(times) / sum(times)
    # Throughput is of batches in every round or in none.
    end = time.perf_counter() + batch * statistics.median(times)
    if visits.batch > 1 or (not visits.images_per_second and end < deadline):
        visits.batch = batch
        throughput = batch / subject.run(batch)
    visits.others.append(neighbours.share())
    milliseconds = [1000 * value for value in times]
    visits.latencies += milliseconds
    visits.latency_ms.append(statistics.median(milliseconds))
    visits.images_per_second.append(throughput)


def _summary(work: dict[str, Any], visits: Visits) -> dict[str, Any]:
    costs, spread, rounds = {}, {}, {}
    for key in _QUANTITIES:
        values = rounds[key] = getattr(visits, key)
        costs[key], spread[key] = statistics.median(values), [min(values), max(values)]
    costs["latency_p95_ms"] = float(np.percentile(visits.latencies, 95))
    costs["size_mib"] = work["checkpoint_bytes"] / 2**20
    costs["gmacs"] = work["macs"] / 1e9
    return {
        "work": work,
        "costs": costs,
        "spread": spread,
        "rounds": rounds,
        "batch": visits.batch,
        "others": _mean(visits.others),
    }


def _reset_peak() -> None:
    # glibc would fill freed memory unseen, and a second measurement show no more than a trace.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    reset_peak()


def device_name() -> str:
    """The GPU's or the processor's name."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


class Neighbours:
    """Counts from here on what others, a hypervisor's other guests too, took of the cores."""

    def __init__(self) -> None:
        self._start, self._own = _ticks(), time.process_time()

    def share(self) -> float | None:
        """Of all cores, in [0, 1]. None on a GPU, whose other users this does not see, where there
        is no Linux, and within the first tick, a hundredth of a second."""
        (total, idle), (total_before, idle_before) = _ticks(), self._start
        total -= total_before
        if not total > 0 or torch.cuda.is_available():
            return None
        own = (time.process_time() - self._own) * os.sysconf("SC_CLK_TCK")
        return min(1.0, max(0.0, (total - (idle - idle_before) - own) / total))


def _ticks() -> tuple[float, float]:
    """Of all cores together: all, and those without work; NaN where there is no Linux."""
    try:
        line = _ACCOUNT.read_text(encoding="ascii").split("\n", 1)[0]
        # man 5 proc_stat: user nice system idle iowait irq softirq steal. The guests after them are
        # part of user and nice; what waits for a disk uses no core.
        ticks = list(map(int, line.split()[1:9]))
        return sum(ticks), ticks[3] + ticks[4]
    except (OSError, ValueError, IndexError):
        return math.nan, math.nan
