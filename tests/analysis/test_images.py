"""How a cell does on each image, and the study's submission file."""

from __future__ import annotations

import json

import pytest
from scored_cases import BOX, FAR, SECOND, A, detections, inspected, split

from stages.analyse import describe
from stages.analysis import tide
from stages.analysis.images import write_submission
from stages.errors import InputError


def test_images_by_hand(tmp_path):
    coco = split([A, (1, 1, SECOND), (2, 1, BOX)], images=4)
    results = detections((1, 1, BOX, 0.9), (1, 1, FAR, 0.8), (1, 2, SECOND, 0.2), (4, 1, FAR, 0.9))
    found = describe(inspected(tmp_path, coco, results), score=0.5)
    one, two, three, four = found["per_image"]
    assert (one["boxes"], one["right"], one["wrong"], one["not_found"], one["f1"]) == (
        2,
        1,
        1,
        1,
        0.5,
    )
    # The second box is not missed: a detection below the threshold means it.
    assert one["errors"] == {**dict.fromkeys(tide.ERROR_KINDS, 0), "background": 1}
    assert (two["f1"], two["not_found"], two["errors"]["missed"]) == (0, 1, 1)
    assert (three["f1"], three["boxes"], three["wrong"]) == (None, 0, 0)
    assert (four["f1"], four["wrong"]) == (0, 1)
    assert found["worst"] == [1, 2, 4]


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
    write_submission(tmp_path / "submission.csv", annotations, RESULTS)
    assert (tmp_path / "submission.csv").read_text(encoding="utf-8") == (
        "PredictionString,image_id\n"
        "1 1.000000 1.00 2.00 4.00 6.00 ,test/0000.jpg\n"
        "2 0.875000 0.00 0.00 200.00 50.12 0 0.250000 10.50 20.25 40.50 60.25 ,test/0001.jpg\n"
        ',"test/a ""b"", 종이.jpg"\n'
    )


def test_no_detection_at_all(tmp_path, annotations):
    write_submission(tmp_path / "submission.csv", annotations, [])
    assert (tmp_path / "submission.csv").read_text(encoding="utf-8").splitlines()[1:3] == [
        ",test/0000.jpg",
        ",test/0001.jpg",
    ]


def test_a_detection_on_an_unknown_image_is_not_written(tmp_path, annotations):
    with pytest.raises(InputError, match="lacks"):
        write_submission(tmp_path / "submission.csv", annotations, [{**RESULTS[0], "image_id": 4}])
    assert not (tmp_path / "submission.csv").exists()
