"""Kinds of error and confusion matrices follow the data, and contrary data contradict them."""

from __future__ import annotations

import dataclasses

import pictured_cells as made
from pictured_cells import A, B, C, study

from stages.report.pictures.errors import Field, confusion_matrices, errors
from stages.report.verdicts.card import choice_card


def test_the_costliest_kind_follows_the_errors(tmp_path):
    for kind, detect in (
        ("classification", made.misnamed),
        ("missed", made.blind),
        ("localisation", made.shifted),
        ("background", made.dreaming),
    ):
        found = errors(study(tmp_path / kind, {A: detect})[0])
        assert found.sentences[0].startswith(f"{A} loses most by {kind} (")
        bars = found.rows[0][2]
        assert [bar.kind for bar in bars if bar.most] == [kind]
        assert max(bars, key=lambda bar: bar.width).kind == kind
        right = "The boxes are right and the class is wrong, more than anything else" in " ".join(
            found.sentences
        )
        assert right == (kind == "classification")
    none = errors(study(tmp_path / "none", {A: made.perfect})[0])
    assert "without any one kind of error its mAP50 would be the same" in none.sentences[0]


def test_classes_at_zero_are_named_with_what_they_take_from_the_mean(tmp_path):
    def no_glass(image, classes):
        return [*made.perfect(image)[:2], made.found(image, [200, 140, 30, 30], 2, 0.3)]

    shown, judged = study(tmp_path, {A: no_glass})
    found = errors(shown)
    told = next(text for text in found.sentences if "hardly finds Glass" in text)
    assert "1 of 2 classes. Found perfectly, they would add 0.500." in told
    # TIDE hardly shows it: with a wrong detection of the class left, less to find is worth nothing.
    assert "missed (0.000)" in told and found.rows[0][2][-1].text == "0.500"
    one = dataclasses.replace(
        judged, standings={}, choice=dataclasses.replace(judged.choice, best=A)
    )
    assert choice_card(one).warning == (
        "No good cell finds Glass (AP50 0.000 at best, 4 boxes): 1 of 2 classes, and so "
        "50 % of val mAP50."
    )
    assert choice_card(study(tmp_path / "all", {A: made.perfect})[1]).warning == ""


def test_cells_are_counted_by_their_costliest_kind(tmp_path):
    found = errors(study(tmp_path, {A: made.misnamed, B: made.blind, C: made.misnamed})[0])
    assert found.sentences[-1] == "The costliest kind: classification in 2, missed in 1 of 3 cells."
    widths = {cell.name: {bar.kind: bar.width for bar in bars} for cell, _, bars in found.rows}
    assert (
        widths[A]["classification"]
        == widths[C]["classification"]
        > widths[B]["classification"]
        == 0
    )


def test_the_confusion_matrix_is_of_rows_in_percent(tmp_path):
    matrix = confusion_matrices(study(tmp_path, {A: made.misnamed})[0]).matrices[0]
    assert matrix.columns == [*made.CLASSES, "nothing"]
    assert [name for name, *_ in matrix.rows] == [*made.CLASSES, "no box"]
    (_, paper_boxes, paper), (_, _, glass), (_, battery_boxes, battery), _ = matrix.rows
    assert [field.text for field in paper] == ["50", "50", "", ""] and paper_boxes == "8 boxes"
    assert "4 of 8 boxes of Paper taken for Glass (50.0 %)" in [field.title for field in paper]
    assert [field.text for field in glass] == ["", "100", "", ""]
    assert battery == [Field()] * 4 and battery_boxes == "0 boxes"
    assert "Most often confused: Paper taken for Glass (4 of 8 boxes)." in matrix.sentences
    assert matrix.score == 0.9


def test_contrary_detections_give_contrary_confusions(tmp_path):
    told = {
        name: " ".join(
            confusion_matrices(study(tmp_path / name, {A: how})[0]).matrices[0].sentences
        )
        for name, how in (
            ("right", made.perfect),
            ("blind", made.blind),
            ("dreaming", made.dreaming),
        )
    }
    assert "finds 12 (100 %) with the right class" in told["right"]
    assert "No class is taken for another." in told["right"]
    assert "4 (33 %) it does not find. 0 detections take no box" in told["blind"]
    assert "0 (0 %) it does not find. 4 detections take no box: " in told["dreaming"]


def test_many_classes_are_summed_up_in_one_column(tmp_path):
    classes = [f"class {number}" for number in range(40)]
    matrix = confusion_matrices(
        study(
            tmp_path,
            {
                A: lambda image, _: [
                    *made.perfect(image),
                    made.found(image, [200, 140, 30, 30], 39, 0.9),
                ]
            },
            classes=classes,
        )[0]
    ).matrices[0]
    assert matrix.columns[-2:] == ["25 other classes", "nothing"] and len(matrix.columns) == 17
    assert len(matrix.rows) == 16 and matrix.rows[-1][2][-2].text == "100"
