"""Keypoints, polygons and oriented boxes are written alike: what a whole set's lines say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stages.data.sources.yolo_lines import LineKinds
from stages.data.sources.yolo_names import keypoint_shape

RNG_SEED = 5


def middle(rng: np.random.Generator, width: float, height: float) -> tuple[float, float]:
    return rng.uniform(width / 2, 1 - width / 2), rng.uniform(height / 2, 1 - height / 2)


def keypoints(rng: np.random.Generator) -> list[float]:
    w, h = rng.uniform(0.05, 0.8, 2)
    x, y = middle(rng, w, h)
    points = np.array([x, y]) + rng.uniform(-0.5, 0.5, (4, 2)) * [w, h]
    return [x, y, w, h, *points.ravel().tolist()]


def oriented_box(rng: np.random.Generator) -> list[float]:
    """In the middle of the image, where its first two corners make a "box" that holds the other two."""
    w, h = rng.uniform(0.05, 0.2, 2)
    angle = rng.uniform(0, math.pi)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn + 0.5).ravel().tolist()


def polygon(rng: np.random.Generator, points: int = 10) -> list[float]:
    radius = rng.uniform(0.02, 0.2)
    x, y = middle(rng, 2 * radius, 2 * radius)
    angles = np.sort(rng.uniform(0, 2 * math.pi, points))
    return (
        np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        .ravel()
        .tolist()
    )


def text(lines: list[list[float]]) -> str:
    return "\n".join(" ".join(map(str, [0, *numbers])) for numbers in lines)


@pytest.mark.parametrize(
    ("make", "kind"), [(keypoints, "keypoints"), (oriented_box, "polygon"), (polygon, "polygon")]
)
def test_a_set_without_kpt_shape(make, kind):
    rng = np.random.default_rng(RNG_SEED)
    lines = [make(rng) for _ in range(60)]
    kinds = LineKinds([text(lines[:30]), text(lines[30:])], None)
    assert {kinds.kind(numbers) for numbers in lines} == {kind}


def test_polygons_of_several_lengths_are_polygons():
    rng = np.random.default_rng(RNG_SEED)
    lines = [polygon(rng, points) for points in range(3, 30)]
    kinds = LineKinds([text(lines)], None)
    assert {kinds.kind(numbers) for numbers in lines} == {"polygon"}


def test_a_slip_among_keypoints_is_doubtful():
    rng = np.random.default_rng(RNG_SEED)
    lines = [keypoints(rng) for _ in range(60)]
    slip = polygon(rng, 5)
    kinds = LineKinds([text([*lines, slip])], None)
    assert {kinds.kind(numbers) for numbers in lines} == {"keypoints"}
    assert kinds.kind(slip) == "doubtful"


def test_a_line_that_may_be_both_is_doubtful():
    """A triangle, or a box with one keypoint: nothing else in the set can tell."""
    numbers = [0.5, 0.5, 0.5, 0.25, 0.25, 0.5]
    assert LineKinds([text([numbers])], None).kind(numbers) == "doubtful"


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        ("names: [a]\nkpt_shape: [17, 3]\n", (17, 3)),
        ("kpt_shape:\n- 4\n- 2\n", (4, 2)),
        ("kpt_shape: [4, 5]", None),
        ("kpt_shape: 4", None),
        ("names: [2024-99-99]\nkpt_shape: [4, 2]", (4, 2)),
        ("names: [", None),
        ("- a", None),
    ],
)
def test_kpt_shape(content, shape, tmp_path):
    (tmp_path / "data.yaml").write_text(content)
    assert keypoint_shape(tmp_path) == shape
