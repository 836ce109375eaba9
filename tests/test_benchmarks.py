"""The benchmarks run, on inputs too small to measure anything, and say what they compare."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT


def bench(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_data_pixels():
    output = bench("benchmarks.data_pixels", "40", "1")
    assert "40 images" in output and "prepare, decode at" in output and "x the speed of: OpenCV decodes" in output


def test_data_annotations():
    output = bench("benchmarks.data_annotations", "500", "3000", "1")
    assert "500 images, 3000 boxes" in output and "x as long as: pycocotools loads" in output


@pytest.mark.slow
def test_train_throughput(project):
    project.run("python", "-m", "stages.prepare")
    output = project.run("python", "-m", "benchmarks.train_throughput", "faster_rcnn-r50-fpn-sgd-512", "1").stdout
    assert "whole trainings: this project at" in output and "steps: this project at" in output


# Without a GPU there is no half precision, and no pretrained file fits a miniature.
ON_A_CPU = """
from benchmarks import gpu_results
del gpu_results.SWITCHES["amp"]
gpu_results.SMALLEST_PX = 1
gpu_results.SMALL = gpu_results.R50
train = gpu_results.trained
gpu_results.trained = lambda cell, scale, changes, *data: train(cell, scale, {**changes, "weights": "none"}, *data)
gpu_results.main(2, 2, "miniature")
"""


@pytest.mark.slow
def test_gpu_results(project):
    project.run("python", "-m", "stages.prepare")
    project.run("python", "-c", ON_A_CPU)
    page = (project.folder / "docs/gpu-results.md").read_text(encoding="utf-8")
    assert "| faster_rcnn-r50-fpn-sgd-512 |" in page and "images by heart" in page and "Best val mAP50" in page
