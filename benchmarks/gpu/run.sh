#!/usr/bin/env bash
# Measures this machine's GPU: bash gpu-pack/run.sh --out FOLDER [--minutes 9] [--scale full|miniature] [--parts NAME ...]
# Nothing is fetched and nothing of the machine is changed: packages go into a folder that is removed at the end.
set -euo pipefail
pack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
start=$(date +%s)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip install --quiet --no-index --no-deps --no-compile --disable-pip-version-check --root-user-action ignore \
    --target "$work/site" "$pack"/wheels/*.whl
cp -r "$pack/project" "$work/project"
cp "$pack/pack.json" "$work/project/pack.json"
here=$PWD
cd "$work/project"
# Looking for a GPU through its driver's library leaves CUDA unopened, so that a process can still be forked.
PYTHONPATH="$work/site" TMPDIR="$work" PYTORCH_NVML_BASED_CUDA_CHECK=1 PYTHONUNBUFFERED=1 \
PYTHONWARNINGS="ignore:pkg_resources is deprecated,ignore::SyntaxWarning,\
ignore::UserWarning:multiprocessing.resource_tracker" \
    "$python" -m benchmarks.gpu.runner --started "$start" --from "$here" "$@"
