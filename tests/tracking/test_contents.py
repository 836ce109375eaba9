"""Which points of a history a tracking server lacks, and what counts as the same value there."""

from __future__ import annotations

import math

import pytest

from stages.errors import InputError
from stages.results.files import ResultFile, read_rows
from stages.tracking.contents import (
    Description,
    batches,
    missing_points,
    moments_of,
    points_of,
    same_number,
)

POINTS = [("loss", 2.0, 10, 1), ("loss", 1.0, 20, 2), ("lr", 0.1, 10, 1)]


def test_only_the_points_that_are_lacking_are_sent():
    assert missing_points({}, POINTS) == POINTS
    held = {"loss": {1: (10, 2.0)}, "lr": {1: (10, 0.1)}}
    assert missing_points(held, POINTS) == missing_points(held, POINTS, compare=True) == [POINTS[1]]


def test_a_value_that_differs_is_sent_with_a_later_time():
    held = {"loss": {1: (10, 3.0), 2: (50, 4.0)}, "lr": {1: (10, 0.1)}}
    assert missing_points(held, POINTS) == []
    assert missing_points(held, POINTS, compare=True) == [
        ("loss", 2.0, 11, 1),
        ("loss", 1.0, 51, 2),
    ]


@pytest.mark.parametrize(
    ("stored", "value", "expected"),
    [
        (1.0, 1.0, True),
        (1.0, 1.5, False),
        (math.nan, math.nan, True),
        (math.nan, 1.0, False),
        (1.0, math.nan, False),
        (1.79e308, math.inf, True),
        (-1.79e308, -math.inf, True),
        (-1.79e308, math.inf, False),
        (math.inf, math.inf, True),
        (1e300, math.inf, False),
    ],
)
def test_stores_keep_nan_and_the_largest_number_in_place_of_infinity(stored, value, expected):
    assert same_number(stored, value) == expected


def test_a_seed_of_0_is_a_tag_and_what_is_not_known_is_none():
    tags = {"seed": 0, "fold": 1, "experiment": "", "commit": None}
    assert Description("r50", {}, tags).cut_tags() == {"seed": "0", "fold": "1"}


def test_rows_give_a_point_for_every_number():
    rows = [
        {"step": "3", "epoch": "1", "lr": "0.5", "val/mAP": ""},
        {"step": 4, "epoch": 1, "lr": 0.25, "val/mAP": 0.0},
    ]
    assert points_of(rows, [7, 8]) == [
        ("lr", 0.5, 7, 3),
        ("lr", 0.25, 8, 4),
        ("val/mAP", 0.0, 8, 4),
    ]
    assert [len(batch) for batch in batches(POINTS * 700)] == [1000, 1000, 100] and batches(
        []
    ) == []


def test_times_are_spread_over_the_training(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,epoch,lr\n1,1,0.1\n2,1,0.2\n4,2,0.3\n", encoding="utf-8")
    record = {
        "started": "2025-01-01T00:00:00+00:00",
        "finished": "2025-01-01T00:00:08+00:00",
        "iterations": 4,
    }
    start = 1_735_689_600_000
    file = ResultFile(path, "train it again")
    rows = read_rows(file, 4)
    assert points_of(rows, moments_of(rows, record)) == [
        ("lr", 0.1, start + 2000, 1),
        ("lr", 0.2, start + 4000, 2),
        ("lr", 0.3, start + 8000, 4),
    ]
    for text, iterations in (
        ("step,epoch,lr\n1,1,0.1\n2,1,0.2\n", 4),
        ("step,epoch,lr\n1,1,0.1\n4,2,0.3", 4),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"ends in the middle, at step \d; train it again$"):
            read_rows(file, iterations)
