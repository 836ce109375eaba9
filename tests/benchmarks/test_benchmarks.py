"""The benchmarks run, on inputs too small to measure anything, and say what they compare."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT


def bench(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_data_pixels():
    output = bench("benchmarks.data_pixels", "40", "1")
    assert (
        "40 images" in output
        and "prepare, decode at" in output
        and "x the speed of: OpenCV decodes" in output
    )


def test_data_annotations():
    output = bench("benchmarks.data_annotations", "500", "3000", "1")
    assert "500 images, 3000 boxes" in output and "x as long as: pycocotools loads" in output
    assert "MB (at most 800 MB is promised" in output


@pytest.mark.slow
def test_train_throughput(project):
    project.run("python", "-m", "stages.prepare")
    output = project.run(
        "python", "-m", "benchmarks.train_throughput", "faster_rcnn-r50-fpn-sgd-512", "1"
    ).stdout
    assert "whole trainings: this project at" in output and "steps: this project at" in output
