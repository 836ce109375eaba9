"""Runs the parts on the machine to be measured, as many as fit into the time; run.sh in the pack
calls it.

python -m benchmarks.gpu.runner --out FOLDER [--minutes N] [--scale full|miniature] [--parts NAME
...]
Writes into FOLDER: results.jsonl and results.md, a line at a time; history-*.csv of the trainings;
log.txt.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.children import STARTS, Children, Context, Outcome
from benchmarks.gpu.lines import Lines
from benchmarks.gpu.parts import SIZES, Part, Work, parts
from stages.errors import InputError
from stages.study.params import ROOT

# What is not measured with less than this.
LEAST_S = 3
# Between the end of the last work and the end of the time.
MARGIN_S = 5


class Runner:
    """What has been measured so far, and the time that is there."""

    def __init__(self, out: Path, scale: str, minutes: float, started: float) -> None:
        self.lines = Lines(out)
        self.context = Context(out, scale, 0)
        self.started = started
        self.end = started + 60 * minutes - MARGIN_S
        self.minutes = minutes
        self.earlier: dict[str, dict[str, Any]] = {}
        self.children: Children | None = None

    def remaining(self) -> float:
        return self.end - time.time()

    def ready(self) -> bool:
        """Whether everything imports and one step of r50 runs; writes what the machine is, or why
        not."""
        for start in STARTS:
            self.children = Children(start)
            outcome = self._do(
                "benchmarks.gpu.machine:check", {}, SIZES[self.context.scale].check_s
            )
            if outcome.status == "done":
                self.lines.write(
                    "ready", seconds=time.time() - self.started, start=start, **outcome.values
                )
                return True
            self.lines.write(
                "measured",
                part="check",
                name=f"one step of r50, by {start}",
                status=outcome.status,
                reason=outcome.reason,
                values={},
                seconds=outcome.seconds,
            )
        return False

    def all(self, planned: list[Part]) -> None:
        # More minutes than the list takes are for everything in it.
        factor = max(1.0, self.remaining() / sum(part.seconds for part in planned))
        for part in planned:
            self.lines.write("part", part=part.name, title=part.title)
            if self.remaining() < part.least:
                self._leave_out(
                    part,
                    part.work,
                    f"needs {part.least:.0f} s, and {max(0, self.remaining()):.0f} remain",
                )
                continue
            end = time.time() + min(self.remaining(), part.seconds * factor)
            for index, work in enumerate(part.work):
                seconds = min(work.most_s * factor, end - time.time())
                if seconds < LEAST_S:
                    self._leave_out(part, part.work[index:], "the part's time is over")
                    break
                outcome = self._do(work.function, work.arguments, seconds)
                self.lines.write(
                    "measured",
                    part=part.name,
                    name=work.name,
                    status=outcome.status,
                    reason=outcome.reason,
                    values=outcome.values,
                    seconds=outcome.seconds,
                )
                if outcome.status == "done":
                    self.earlier[work.name] = outcome.values
                elif part.until_failure:
                    self._leave_out(part, part.work[index + 1 :], "follows what did not succeed")
                    break

    def _leave_out(self, part: Part, work: list[Work], reason: str) -> None:
        for piece in work:
            self.lines.write(
                "measured",
                part=part.name,
                name=piece.name,
                status="left out",
                reason=reason,
                values={},
                seconds=0,
            )

    def _do(self, function: str, arguments: dict[str, Any], seconds: float) -> Outcome:
        context = Context(self.context.out, self.context.scale, seconds, self.earlier)
        return self.children.run(function, context, arguments)


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("--out", required=True, type=Path, help="a folder for what is measured")
    parser.add_argument(
        "--minutes", type=float, default=9.0, help="from the start of the installation"
    )
    parser.add_argument(
        "--scale", choices=("full", "miniature"), default="full", help="miniature: a rehearsal"
    )
    names = [part.name for part in parts("full")]
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"of {', '.join(names)}; left out: all",
    )
    parser.add_argument("--started", type=float, default=time.time(), help=argparse.SUPPRESS)
    parser.add_argument(
        "--from", type=Path, default=Path.cwd(), dest="folder", help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    out = (options.folder / options.out).resolve()
    try:
        runner = Runner(out, options.scale, options.minutes, options.started)
    except InputError as error:
        sys.exit(f"run.sh: {error}")
    pack = ROOT / "pack.json"
    contents = json.loads(pack.read_text(encoding="utf-8")) if pack.is_file() else {"commit": ""}
    runner.lines.write(
        "start",
        scale=options.scale,
        minutes=options.minutes,
        pack=contents,
        installed_s=round(time.time() - options.started, 1),
    )
    (ROOT / "data/cache").mkdir(parents=True, exist_ok=True)
    if not runner.ready():
        runner.lines.write(
            "end", why="nothing can be measured here", seconds=time.time() - options.started
        )
        return 1
    runner.all([part for part in parts(options.scale) if part.name in options.parts])
    runner.lines.write("end", why="the list is through", seconds=time.time() - options.started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
