"""Packs all that a bare GPU machine needs for the measurements of benchmarks/gpu/parts.py into the
folder gpu-pack/.

Run: make gpu-pack DATA=FOLDER [WEIGHTS=FOLDER], or python -m benchmarks.gpu.pack DATA [WEIGHTS]
DATA: a set of photographs in any layout that `make data-check` knows. WEIGHTS: has
mobilenet_v2*.safetensors.
There: bash gpu-pack/run.sh --out FOLDER --minutes 9
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu import photographs, wheels
from stages.errors import InputError
from stages.study.params import ROOT
from stages.study.strict import StudyError
from stages.tracking import provenance

log = logging.getLogger(__name__)

FOLDER = ROOT / "gpu-pack"
LIMIT_MIB = 60
PROJECT = ("stages", "benchmarks", "configs", "params.yaml", "LICENSE")
BACKBONE = "mobilenet_v2"


def main(data: str, weights: str = "") -> None:
    """Writes gpu-pack/ anew and prints its size. Raises InputError where a part cannot be had or
    all is too large."""
    new = FOLDER.with_name(f".{FOLDER.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        _project(new / "project")
        contents = {
            "commit": provenance.commit(),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "photographs": photographs.pack(Path(data), new / "project" / "data"),
            "weights": _weights(weights, new / "project" / "data" / "weights"),
            "wheels": wheels.download(new / "wheels"),
        }
        (new / "pack.json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
        shutil.copy(ROOT / "benchmarks" / "gpu" / "run.sh", new / "run.sh")
        _say_size(new)
        shutil.rmtree(FOLDER, ignore_errors=True)
        new.rename(FOLDER)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    log.info(
        "gpu-pack: copy the folder and run there: bash gpu-pack/run.sh --out FOLDER --minutes 9"
    )


def _project(folder: Path) -> None:
    """The files of PROJECT that git has, as they are now; provenance.commit() marks a commit that differs
    from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *PROJECT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    if listed.returncode or not names:
        raise InputError(f"{ROOT}: git lists no files here; make the pack in a clone")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def _weights(name: str, folder: Path) -> str | None:
    """Copies the pretrained backbone and its licence; gives its file name, None where there is
    none."""
    files = sorted(Path(name).glob("*.safetensors")) if name else []
    chosen = next((file for file in files if file.name.startswith(BACKBONE)), None)
    if chosen is None:
        log.warning(
            "gpu-pack: no %s*.safetensors in WEIGHTS=%s; the part that needs it will be left out",
            BACKBONE,
            name or '""',
        )
        return None
    folder.mkdir(parents=True)
    shutil.copy(chosen, folder / f"{BACKBONE}.safetensors")
    strangers = [file.stem for file in files if file != chosen]
    for licence in Path(name).glob("LICENSE*"):
        if not any(stem in licence.name for stem in strangers):
            shutil.copy(licence, folder)
    return chosen.name


def _say_size(folder: Path) -> None:
    def mib(part: Path) -> float:
        return sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) / 2**20

    parts = {
        "wheels": folder / "wheels",
        "photographs": folder / "project/data/raw",
        "weights": folder / "project/data/weights",
    }
    sizes = {name: mib(part) for name, part in parts.items()}
    whole = mib(folder)
    sizes["project"] = whole - sum(sizes.values())
    listed = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    log.info("gpu-pack: %.1f MiB (%s)", whole, listed)
    if whole > LIMIT_MIB:
        raise InputError(
            f"gpu-pack: {whole:.0f} MiB are more than {LIMIT_MIB}; lower photographs.SIZES"
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not 2 <= len(sys.argv) <= 3 or not sys.argv[1]:
        sys.exit(
            "gpu-pack: which photographs? make gpu-pack DATA=/path/to/your/set "
            "[WEIGHTS=/path/to/weights]"
        )
    try:
        main(*sys.argv[1:])
    except (InputError, StudyError) as problem:
        sys.exit(str(problem))
