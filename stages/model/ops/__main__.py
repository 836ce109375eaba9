"""Run a program that imports mmdet, with `mmcv._ext` in place before its first import.

    python -m stages.model.ops tools/test.py CONFIG CHECKPOINT

A program that is no file here is looked up among those which mmdet ships (mmdet/.mim):
tools/train.py, tools/test.py, tools/analysis_tools/... Most of them import mmdet.evaluation or
mmdet.apis before they read CONFIG, too early for its custom_imports. Importing this package, which
`python -m` does, is all they need.

mmengine's checkpoints hold more than weights, and torch refuses such a file. For one that you
trust, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1: the program then runs whatever code the file holds.
"""

import importlib.util
import runpy
import sys
from pathlib import Path


def find_program(name: str) -> Path:
    """The file `name`, or else the file of that name which mmdet ships.

    Raises SystemExit with one line if there is neither.
    """
    shipped = Path(importlib.util.find_spec("mmdet").origin).parent / ".mim" / name
    for path in (Path(name), shipped):
        if path.is_file():
            return path
    raise SystemExit(f"no such program: {name} (nor {shipped})")


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m stages.model.ops PROGRAM [ARGUMENTS]")
    program = find_program(sys.argv[1])
    sys.argv = [str(program), *sys.argv[2:]]
    # As `python PROGRAM` would, so that its neighbours can be imported.
    sys.path.insert(0, str(program.resolve().parent))
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
