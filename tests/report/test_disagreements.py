"""Where two cells disagree: what the wrong one does, and what is drawn of it."""

from __future__ import annotations

import pictured_cells as made
import pytest
from pictured_cells import A, B, shown


def test_boxes_are_drawn_where_they_are_and_say_what_they_are(tmp_path):
    made.write_data(tmp_path)
    shapes = shown(tmp_path, {A: made.misnamed}).worst.shots[0].shapes
    lost, wrong = (
        next(shape for shape in shapes if shape.kind == kind) for kind in ("lost", "classification")
    )
    scale = 320 / made.WIDTH
    assert (lost.x, lost.y, lost.width, lost.height) == pytest.approx(
        [20 * scale, 20 * scale, 60 * scale, 40 * scale], abs=0.06
    )
    assert lost.title == "labelled Paper: found with a wrong class" and not lost.dashed
    assert wrong.title == "Glass 0.90: classification, this is Paper" and wrong.dashed
    assert {shape.title for shape in shapes if shape.kind == "right"} == {
        "Paper 0.90: right",
        "Glass 0.90: right",
    }
    # Small boxes lie on top of large ones, or nobody could point at them.
    areas = [shape.width * shape.height for shape in shapes]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    ("detect", "kind", "words"),
    [
        (made.blind, "missed", "{} misses Paper"),
        (made.misnamed, "classification", "{} takes Paper for Glass"),
        (made.shifted, "localisation", "{} misplaces Paper"),
        (made.dreaming, "background", "{} sees Paper where nothing is labelled"),
    ],
)
def test_disagreements_are_typed_by_what_the_wrong_cell_does(tmp_path, detect, kind, words):
    made.write_data(tmp_path)
    for order, cells in enumerate(({A: detect, B: made.perfect}, {B: made.perfect, A: detect})):
        found = shown(tmp_path, cells, chosen=B)
        assert [cell.name for cell in found.cells] == [B, A] and found.cells[0].role.startswith(
            "chosen"
        )
        assert {one.kind: one.only for one in found.disagreements.shots if any(one.only)} == {
            kind: (4, 0)
        }, order
        duels = next(one for one in found.disagreements.shots if one.kind == kind).duels
        assert len(duels) == 3
        assert {said for _, said in duels} == {words.format(found.cells[1].short)}
        lit = [{shape.kind for shape in shot.shapes if shape.lit} for shot in duels[0][0]]
        assert lit[0] == (set() if kind == "background" else {"found"})
        assert lit[1] == {"missed": {"lost"}, "background": {"background"}}.get(
            kind, {"lost", kind}
        )
        # Told from the other side, the same is the other's merit.
        turned = shown(tmp_path, cells, chosen=A)
        assert {one.kind: one.only for one in turned.disagreements.shots if any(one.only)} == {
            kind: (0, 4)
        }
    assert f"{B} and {A} disagree 4 times on 4 of 4 val images" in found.disagreements.words


def test_cells_that_agree_are_said_to_agree(tmp_path):
    made.write_data(tmp_path)
    # Both show the same thing where nothing is: that is no disagreement.
    same = shown(tmp_path, {A: made.dreaming, B: made.dreaming})
    assert (
        same.disagreements.shots == ()
        and same.disagreements.words == f"{A} and {B} agree on every box of val."
    )
    assert shown(tmp_path, {A: made.dreaming}).disagreements.words.startswith(
        "There are no two cells"
    )
    second = shown(tmp_path, {A: made.perfect, B: made.blind})
    assert [cell.role for cell in second.cells] == ["chosen and best", "second"]
