"""Bars of classes and sizes: their lengths, axis and sentences follow the data."""

from __future__ import annotations

import dataclasses

import pictured_cells as made
from pictured_cells import A, B, study

from stages.report.pictures.groups import group_charts


def test_bars_are_as_long_as_the_values_and_mirror_them(tmp_path):
    for first, second in ((A, B), (B, A)):
        found = group_charts(*study(tmp_path / first, {first: made.perfect, second: made.blind}))
        chart = found.charts[0]
        assert chart.key == "val-AP50" and chart.top == 1.0
        assert [cell.name for cell in found.first] == [first, second]
        paper = next(row for row in chart.classes if row.name == "Paper")
        lengths = {bar.cell.name: bar.width for bar in paper.bars}
        assert lengths[first] == 100 and 45 < lengths[second] < 56
        assert all(bar.left <= bar.width <= bar.right for bar in paper.bars)
        assert [chart.key for chart in found.charts] == [
            "val-AP50",
            "val-AP",
            "test-AP50",
            "test-AP",
        ]


def test_a_class_without_boxes_is_not_applicable_and_the_mean_leaves_it_out(tmp_path):
    found = group_charts(*study(tmp_path, {A: made.perfect}))
    battery = next(row for row in found.charts[0].classes if row.name == "Battery")
    assert battery.bars == [] and battery.note == "0 boxes" and not battery.thin
    assert found.charts[0].sizes[0].note == "mean over 2 of 3 classes, 12 boxes"
    assert any(
        "over 2 of 3 classes; without a box, and so n/a: Battery." in text
        for text in found.charts[0].sentences
    )


def test_groups_under_a_hundred_boxes_are_thin(tmp_path):
    few = group_charts(*study(tmp_path / "few", {A: made.perfect})).charts[0]
    many = group_charts(*study(tmp_path / "many", {A: made.perfect}, images=60)).charts[0]
    thin = {
        name: {row.name: row.thin for row in chart.classes}
        for name, chart in (("few", few), ("many", many))
    }
    assert thin == {
        "few": {"Paper": True, "Glass": True, "Battery": False},
        "many": {"Paper": False, "Glass": True, "Battery": False},
    }
    assert (
        "Thin, with fewer than 100 boxes: 2 of 3 classes and the size medium. They decide nothing."
        in few.sentences
    )
    assert "Thin, with fewer than 100 boxes: 1 of 3 classes. They decide nothing." in many.sentences


def test_the_strongest_and_the_weakest_class_follow_the_numbers(tmp_path):
    def without_glass(image, classes):
        return made.perfect(image)[:2]

    solid = [
        group_charts(*study(tmp_path / name, {A: detect}, images=101)).charts[0].sentences
        for name, detect in (("blind", made.blind), ("glass", without_glass))
    ]
    assert any(
        "highest val AP50 in Glass, 1.000, and its lowest in Paper" in text for text in solid[0]
    )
    assert any(
        "highest val AP50 in Paper, 1.000, and its lowest in Glass, 0.000" in text
        for text in solid[1]
    )


def test_the_axis_holds_the_highest_bar(tmp_path):
    shown, judged = study(tmp_path, {A: made.perfect})
    low = {
        A: {
            "val": (made.Group("class", "Paper", 200, *[made.estimate(0.03, 200, 0.01)] * 2),),
            "test": (),
        }
    }
    none = {A: {key: made.estimate(0.03, 200, 0.01) for key in judged.estimates[A]}}
    chart = group_charts(shown, dataclasses.replace(judged, groups=low, estimates=none)).charts[0]
    assert chart.top == 0.05 and chart.classes[0].bars[0].width == 60 and chart.lines == 0.01


def test_of_many_classes_those_of_most_boxes_are_drawn(tmp_path):
    chart = group_charts(
        *study(tmp_path, {A: made.perfect}, classes=[f"c{n}" for n in range(60)])
    ).charts[0]
    assert len(chart.classes) == 40 and chart.classes[0].name == "c0"
    assert any("20 more count in the mean" in text for text in chart.sentences)
