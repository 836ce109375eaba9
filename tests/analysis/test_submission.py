"""The submission file has the study's form, reads back as it was, and faults are named by their row."""

from __future__ import annotations

import json

import pytest

from stages.analysis import submission
from stages.errors import InputError

RESULTS = [
    {"image_id": 2, "category_id": 1, "bbox": [10.5, 20.25, 30, 40], "score": 0.25},
    {"image_id": 2, "category_id": 3, "bbox": [-5, 0, 300, 50.125], "score": 0.875},
    {"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 1.0},
]


@pytest.fixture
def annotations(tmp_path):
    """Three images of 200 x 100 pixels and three classes, without labels."""
    path = tmp_path / "test.json"
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": i, "file_name": name, "width": 200, "height": 100}
                    for i, name in enumerate(
                        ["test/0000.jpg", "test/0001.jpg", 'test/a "b", 종이.jpg'], 1
                    )
                ],
                "annotations": [],
                "categories": [{"id": k, "name": f"class {k}"} for k in (1, 2, 3)],
            }
        ),
        encoding="utf-8",
    )
    return path


def test_the_form_is_the_studys(tmp_path, annotations):
    submission.write(tmp_path / "submission.csv", annotations, RESULTS)
    assert (tmp_path / "submission.csv").read_text(encoding="utf-8") == (
        "PredictionString,image_id\n"
        "1 1.000000 1.00 2.00 4.00 6.00 ,test/0000.jpg\n"
        "2 0.875000 0.00 0.00 200.00 50.12 0 0.250000 10.50 20.25 40.50 60.25 ,test/0001.jpg\n"
        ',"test/a ""b"", 종이.jpg"\n'
    )


def test_what_was_written_reads_back(tmp_path, annotations):
    submission.write(tmp_path / "submission.csv", annotations, RESULTS)
    found = submission.read(tmp_path / "submission.csv", annotations)
    assert found == [
        {"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 1},
        {"image_id": 2, "category_id": 3, "bbox": [0, 0, 200, 50.12], "score": 0.875},
        {"image_id": 2, "category_id": 1, "bbox": [10.5, 20.25, 30, 40], "score": 0.25},
    ]
    submission.write(tmp_path / "again.csv", annotations, found)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "submission.csv").read_bytes()


def test_no_detection_at_all(tmp_path, annotations):
    submission.write(tmp_path / "submission.csv", annotations, [])
    assert (tmp_path / "submission.csv").read_text(encoding="utf-8").splitlines()[1:3] == [
        ",test/0000.jpg",
        ",test/0001.jpg",
    ]
    assert submission.read(tmp_path / "submission.csv", annotations) == []


def test_a_detection_on_an_unknown_image_is_not_written(tmp_path, annotations):
    with pytest.raises(InputError, match="lacks"):
        submission.write(tmp_path / "submission.csv", annotations, [{**RESULTS[0], "image_id": 4}])
    assert not (tmp_path / "submission.csv").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "PredictionString,image_id",
            "image_id,PredictionString",
            "first row is not PredictionString,image_id",
        ),
        ("test/0001.jpg", "test/0009.jpg", "row 3 names 'test/0009.jpg', which is no image"),
        ("test/0001.jpg", "test/0000.jpg", "row 3 names 'test/0000.jpg' a second time"),
        (",test/0000.jpg", ",test/0000.jpg,1", "row 2 has 3 columns"),
        (
            "1 1.000000 1.00 2.00 4.00 6.00 ,test/0000.jpg\n",
            "",
            "1 of 3 images have no row, 'test/0000.jpg'",
        ),
        ("1 1.000000", "1.000000", "row 2: 5 numbers are not a multiple of six"),
        ("1 1.000000", "Paper 1.000000", "row 2: its PredictionString is not numbers"),
        ("1 1.000000", "3 1.000000", "row 2: label 3 is not a number from 0 to 2"),
        ("1 1.000000", "-1 1.000000", "row 2: label -1 "),
        ("1 1.000000", "0.5 1.000000", "row 2: label 0.5 "),
        ("1 1.000000", "1 1.5", "row 2: score 1.5 is outside"),
        ("1 1.000000", "1 nan", "row 2: score nan"),
        (
            "1.00 2.00 4.00 6.00",
            "4.00 2.00 1.00 6.00",
            "row 2: box 4 2 1 6 is not within 0 0 200 100",
        ),
        ("1.00 2.00 4.00 6.00", "1.00 2.00 4.00 100.5", "row 2: box 1 2 4 100.5 is not within"),
        ("1.00 2.00 4.00 6.00", "-1 2.00 4.00 6", "row 2: box -1 2 4 6"),
        ("1.00 2.00 4.00 6.00", "1.00 2.00 nan 6", "row 2: box 1 2 nan 6"),
    ],
)
def test_faults_are_named_by_their_row(tmp_path, annotations, old, new, says):
    path = tmp_path / "submission.csv"
    submission.write(path, annotations, RESULTS)
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1
    path.write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        submission.read(path, annotations)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_text(tmp_path, annotations):
    with pytest.raises(InputError, match="no such submission"):
        submission.read(tmp_path / "none.csv", annotations)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="first row"):
        submission.read(tmp_path / "empty.csv", annotations)
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match="no CSV file"):
        submission.read(tmp_path / "picture.csv", annotations)
