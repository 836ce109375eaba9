"""The plots of score against cost: who is on the front, where the labels lie, what was not measured."""

from __future__ import annotations

import dataclasses
import random

import pytest
from report_cells import NAMES, Page, load_all, report
from report_judgements import judged

from stages.report.shown_cells import page_cells
from stages.report.table import COST_COLUMNS
from stages.report.verdicts.pareto import Rectangle, place, shorten, trades, width
from stages.results.cell import MeasuredCosts

R50, SWIN, PAFPN, CASCADE = NAMES


@pytest.fixture
def cells(tmp_path):
    return priced(load_all(tmp_path), [10.0, 20.0, 40.0, 30.0])


def priced(cells, latencies, **more):
    return [
        dataclasses.replace(cell, measured=MeasuredCosts({"latency_ms": latency, **more}))
        for cell, latency in zip(cells, latencies, strict=True)
    ]


def drawn(cells, error: float = 0.02):
    judgement = judged(cells, error)
    return trades(judgement, page_cells(cells, judgement))


def front_of(trade) -> set[str]:
    return {dot.cell.name for dot in trade.wide.dots if not dot.pale}


def test_the_front_follows_the_cost(cells):
    by_cost = {trade.cost: trade for trade in drawn(cells)}
    assert list(by_cost) == ["latency_ms", "train_minutes", "parameters"]
    # Scores rise from the first cell to the last; the third is slower and worse than the fourth.
    assert front_of(by_cost["latency_ms"]) == {R50, SWIN, CASCADE}
    assert front_of(by_cost["train_minutes"]) == set(NAMES)
    contrary = drawn(priced(cells, [40.0, 30.0, 20.0, 10.0]))[0]
    assert front_of(contrary) == {CASCADE} and contrary.sentence.startswith(
        f"{CASCADE} dominates every other cell"
    )


def test_the_line_climbs_and_no_point_lies_above_it(cells):
    plot = drawn(cells)[0].wide
    members = sorted((dot.x, dot.y) for dot in plot.dots if not dot.pale)
    heights = [y for _, y in members]
    assert heights == sorted(heights, reverse=True)
    assert plot.line.startswith(
        f"M{members[0][0]:g} {plot.frame.bottom:g}V{members[0][1]:g}H{members[1][0]:g}V"
    )
    for dot in plot.dots:
        assert any(x <= dot.x and y <= dot.y for x, y in members)
        assert dot.high < dot.y < dot.low


def test_the_chosen_cell_is_marked_and_tells_its_numbers(cells):
    chosen = [dot for dot in drawn(cells)[0].wide.dots if dot.chosen]
    assert [dot.cell.name for dot in chosen] == [CASCADE]
    assert chosen[0].title == (
        f"{CASCADE}\nval mAP50 = 0.261, 95 % interval 0.222 to 0.300 (240 boxes, 48 images)\n"
        "latency, ms = 30\nrun run3abcdef"
    )
    assert drawn(cells)[0].wide.dots[-1].chosen


def test_struck_out_is_who_is_dominated_in_everything(cells, tmp_path):
    worse = [
        dataclasses.replace(
            cells[0],
            train_minutes=99.0,
            parameters=9_000_000,
            measured=MeasuredCosts({"latency_ms": 90.0}),
        ),
        *cells[1:],
    ]
    assert [dot.cell.name for dot in drawn(worse)[0].wide.dots if dot.struck] == [R50]
    files = report(worse, tmp_path / "worse")
    assert (
        f"~~{R50}~~" in files["report.md"]
        and f"Dominated by {CASCADE}, {PAFPN}, {SWIN}" in files["index.html"]
    )
    assert "~~" not in report(cells, tmp_path / "none")["report.md"]


def test_costs_that_were_not_measured(cells, tmp_path):
    partly = priced(cells, [10.0, None, 40.0, 30.0])
    trade = drawn(partly)[0]
    assert trade.absent == [SWIN] and len(trade.wide.dots) == 3 and "Not placed" in trade.sentence
    files = report(partly, tmp_path / "partly")
    assert f"latency, ms was not measured: {SWIN}." in Page(files["index.html"]).text
    assert "not placed: latency not measured" in files["report.md"]
    never = [
        dataclasses.replace(cell, measured=MeasuredCosts(), train_minutes=None, parameters=None)
        for cell in cells
    ]
    assert drawn(never) == []
    text = Page(report(never, tmp_path / "never")["index.html"]).text
    assert "No cost was measured" in text and "Not drawn" not in text


def test_cost_columns_stand_in_the_table_where_measured(cells, tmp_path):
    full = priced(
        cells,
        [10.0, 20.0, 40.0, 30.5],
        images_per_second=33.3,
        peak_memory_mib=512.4,
        gmacs=1.234,
        size_mib=10.04,
    )
    row = next(
        line
        for line in report(full, tmp_path / "full")["report.md"].splitlines()
        if f"| {CASCADE} " in line
    )
    assert "| 30.5 | 33.3 | 512 | 1.23 | 10.0 |" in row
    some = report(cells, tmp_path / "some")["report.md"]
    head = next(line for line in some.splitlines() if line.startswith("| cell | against"))
    assert "latency, ms" in head
    assert all(column.label not in head for column in COST_COLUMNS if column.key != "latency_ms")


def test_a_wide_range_of_costs_is_logarithmic(cells):
    near, far = drawn(cells)[0].wide, drawn(priced(cells, [1.0, 10.0, 1000.0, 100.0]))[0].wide
    assert near.x_ticks[0] == (near.frame.left, "0") and "0" not in [
        text for _, text in far.x_ticks
    ]
    x = {dot.cell.name: dot.x for dot in far.dots}
    assert x[SWIN] - x[R50] == pytest.approx(x[CASCADE] - x[SWIN], abs=0.2)


@pytest.mark.parametrize("seed", range(30))
def test_labels_never_overlap(seed):
    draw = random.Random(seed)
    frame = Rectangle(50, 10, 1300, 430)
    names = ["faster_rcnn-swin_l-pafpn-sgd-1024", "셀" * 9, "x", "L" * 300]
    points = [
        (draw.uniform(60, 1290), draw.uniform(20, 420), draw.choice(names))
        for _ in range(draw.randrange(1, 41))
    ]
    lines = [Rectangle(x - 2, y - 30, x + 2, y + 30) for x, y, _ in points]
    labels = place(points, lines, frame)
    boxes = [label.box for label in labels if label]
    assert all(frame.holds(box) for box in boxes)
    assert not any(one.touches(other) for i, one in enumerate(boxes) for other in boxes[:i])
    marks = [Rectangle(x - 5, y - 5, x + 5, y + 5) for x, y, _ in points]
    assert not any(box.touches(mark) for box in boxes for mark in marks)
    # Thirteen cells, as in the study, always find room.
    assert len(points) > 13 or len(boxes) == len(points)


def test_no_room_is_said(cells):
    crowd = [(100.0, 100.0, "a label of some length")] * 60
    labels = place(crowd, [], Rectangle(50, 50, 150, 150))
    assert None in labels
    assert (
        shorten("two\nlines") == "two lines"
        and len(shorten("L" * 300)) == 36
        and width("셀") > width("x")
    )
