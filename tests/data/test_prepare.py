"""Stage prepare on sets of its own making and on real photographs: splits, folds, ids, and the files it writes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_labels import make_set, write
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stages import prepare
from stages.data.discover import discover
from stages.errors import InputError
from stages.study import params, yaml_text
from stages.study.params import ROOT, Data
from stages.study.paths import SPLITS
from stages.study.strict import StudyError, validate


def data_of(root: Path, **changes) -> Data:
    values = yaml_text.loads((ROOT / "params.yaml").read_text(encoding="utf-8"))["data"]
    return validate(
        Data,
        {
            **values,
            "source": "coco",
            "root": str(root),
            "val_share": 0.2,
            "test_share": 0.2,
            **changes,
        },
        "data",
    )


def prepared(root: Path, seed: int = 0, **changes) -> tuple[dict, dict]:
    """The written splits and the report."""
    folder = root / "prepared"
    report = prepare.prepare(data_of(root, **changes), seed, folder)
    sets = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in SPLITS
    }
    return sets, report


def codes(report: dict) -> dict[str, int]:
    return {found["code"]: found["count"] for found in report["findings"]}


def files(part: dict) -> set[str]:
    return {image["file_name"] for image in part["images"]}


def test_ids_start_at_1_and_nothing_is_lost(tmp_path):
    write(tmp_path, make_set(tmp_path))
    sets, report = prepared(tmp_path)
    for part in sets.values():
        for key in ("images", "annotations", "categories"):
            assert [entry["id"] for entry in part[key]] == list(range(1, len(part[key]) + 1))
    assert [len(sets[name]["images"]) for name in SPLITS] == [12, 4, 4]
    assert len(set.union(*map(files, sets.values()))) == 20
    # Each box is still on its own image, under its own class.
    names = {1: "can", 2: "bag"}
    for part in sets.values():
        for image in part["images"]:
            assert image["source_id"] == int(Path(image["file_name"]).stem)
            found = [
                (names[entry["category_id"]], entry["bbox"])
                for entry in part["annotations"]
                if entry["image_id"] == image["id"]
            ]
            assert found == [("can", [1, 2, 10, 20]), ("bag", [20, 20, 30, 20])]
    assert {
        "image_ids_from_zero",
        "annotation_ids_from_zero",
        "category_ids_from_zero",
        "category_id_gaps",
    } <= set(codes(report))


def test_no_group_is_cut_and_the_seed_decides(tmp_path):
    content = make_set(tmp_path, 30)
    for image in content["images"]:
        image["group"] = image["id"] // 3
    write(tmp_path, content)
    one, two, again = (prepared(tmp_path, seed)[0] for seed in (0, 1, 0))
    groups = [{image["group"] for image in part["images"]} for part in one.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert one == again != two


def test_look_alikes_stay_together(tmp_path):
    content = make_set(tmp_path, 12)
    write(tmp_path, content)
    for index in range(1, 12):
        if index % 2:
            # The photograph before it, saved again at a lower quality under another name.
            picture = cv2.imread(str(tmp_path / f"images/{index - 1}.png"))
            cv2.imwrite(
                str(tmp_path / f"images/{index}.png"),
                cv2.convertScaleAbs(picture, alpha=0.9, beta=9),
            )
    sets, report = prepared(tmp_path)
    assert codes(report)["near_duplicates"] == 6 and report["groups"]["groups"] == 6
    pairs = [{image["source_id"] // 2 for image in part["images"]} for part in sets.values()]
    assert not (pairs[0] & pairs[1] or pairs[0] & pairs[2] or pairs[1] & pairs[2])


def test_folds_are_disjoint_complete_and_share_their_test_set(tmp_path):
    write(tmp_path, make_set(tmp_path, 25))
    folds, beside = [], []
    # Each has written the others as well, the last of them again from the first.
    for fold in (0, 1, 2, 3, 0):
        sets, _ = prepared(tmp_path, folds=4, fold=fold)
        if folds:
            folder = tmp_path / "prepared/folds" / str(len(folds) - 1)
            beside.append(
                {
                    split: json.loads((folder / f"{split}.json").read_text())
                    for split in ("train", "val")
                }
            )
        folds.append(sets)
    assert folds.pop() == folds[0]
    assert len({json.dumps(sets["test"]) for sets in folds}) == 1
    held = [files(sets["val"]) for sets in folds]
    assert sum(map(len, held)) == len(set.union(*held)) == 20
    assert all(files(sets["train"]) | files(sets["val"]) == set.union(*held) for sets in folds)
    assert beside == [{"train": sets["train"], "val": sets["val"]} for sets in folds]
    assert set(json.loads((tmp_path / "prepared/folds.json").read_text())) == {"1", "2", "3"}
    with pytest.raises(StudyError, match=r"data\.fold: 4 is not one of 4 folds"):
        params.check_data(data_of(tmp_path, folds=4, fold=4))


def test_own_split_files_are_matched_by_class_name(tmp_path):
    write(tmp_path, make_set(tmp_path))
    other = make_set(tmp_path / "own", first_id=100)
    other["categories"] = [{"id": 1, "name": "bag"}, {"id": 2, "name": "can"}]
    for entry in other["annotations"]:
        entry["category_id"] = {0: 2, 5: 1}[entry["category_id"]]
    for image in (tmp_path / "own/images").iterdir():
        # The same noise would be a leak between the splits.
        cv2.imwrite(
            str(image),
            np.random.default_rng(int(image.stem)).integers(0, 255, (64, 64, 3), dtype=np.uint8),
        )
    write(tmp_path, other, "val.json")
    sets, report = prepared(tmp_path, val={"annotations": "val.json", "images": "own"})
    assert [entry["category_id"] for entry in sets["val"]["annotations"][:2]] == [1, 2]
    assert len(sets["val"]["images"]) == 20 and codes(report)["category_ids_differ"] == 2


def test_several_files_are_one_split_and_a_test_set_needs_no_labels(tmp_path):
    content = make_set(tmp_path)
    halves = [
        {
            **content,
            "images": content["images"][start : start + 10],
            "annotations": [
                entry for entry in content["annotations"] if start <= entry["image_id"] < start + 10
            ],
        }
        for start in (0, 10)
    ]
    for index, half in enumerate(halves):
        write(tmp_path, half, f"fold_{index}.json")
    hidden = make_set(tmp_path / "more", 3, first_id=50)
    for image in (tmp_path / "more/images").iterdir():
        cv2.imwrite(
            str(image),
            np.random.default_rng(int(image.stem)).integers(0, 255, (64, 64, 3), dtype=np.uint8),
        )
    write(tmp_path, {"images": hidden["images"]}, "test.json")
    sets, report = prepared(
        tmp_path,
        train={"annotations": ["fold_0.json", "fold_1.json"]},
        test={"annotations": "test.json", "images": "more"},
    )
    assert [len(sets[name]["images"]) for name in SPLITS] == [16, 4, 3]
    assert files(sets["train"]) | files(sets["val"]) == {
        f"images/{index}.png" for index in range(20)
    }
    assert sets["test"]["annotations"] == [] and not report["splits"]["test"]["labelled"]
    assert codes(report)["split_without_labels"] == 1
    assert [entry["images"] for entry in report["files"]] == [10, 10, 3]


def test_a_fatal_finding_is_one_line_and_leaves_its_report(tmp_path):
    content = make_set(tmp_path)
    content["images"][3]["file_name"] = "images/absent.png"
    write(tmp_path, content)
    with pytest.raises(
        InputError,
        match=r"^image_missing: annotations\.json images/absent\.png: .*Or set data\.policy"
        r"\.image_missing to drop\.$",
    ):
        prepared(tmp_path)
    report = json.loads((tmp_path / "prepared/report.json").read_text(encoding="utf-8"))
    assert codes(report)["image_missing"] == 1 and report["digest"] is None
    assert "image_missing" in (tmp_path / "prepared/report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "prepared/train.json").exists()
    sets, _ = prepared(tmp_path, policy={"image_missing": "drop"})
    assert sum(len(part["images"]) for part in sets.values()) == 19
    with (tmp_path / "prepared/changes.csv").open(encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file) if row["code"] == "image_missing"] == [
            "images/absent.png"
        ]


def test_a_changed_pixel_changes_the_prepared_files(tmp_path):
    write(tmp_path, make_set(tmp_path))
    before = prepared(tmp_path)[1]["digest"]
    picture = cv2.imread(str(tmp_path / "images/3.png"))
    picture[0, 0] ^= 1
    cv2.imwrite(str(tmp_path / "images/3.png"), picture)
    assert prepared(tmp_path)[1]["digest"] != before


def test_real_photographs(taco, tmp_path):
    report = prepare.prepare(data_of(taco, val_share=0.15, test_share=0.15), 0, tmp_path)
    found = codes(report)
    assert sum(part["images"] for part in report["splits"].values()) == 1077
    assert sum(part["boxes"] for part in report["splits"].values()) == 3689
    assert found["annotation_ids_from_zero"] == found["category_ids_from_zero"] == 1
    rare = next(entry for entry in report["findings"] if entry["code"] == "category_rare")
    assert [(place["label"], place["before"]) for place in rare["examples"]] == [
        ("Battery", "1 boxes"),
        ("Clothing", "5 boxes"),
    ]
    # Boxes whose shorter side is under 8 pixels, counted by hand from the file.
    assert found["box_tiny"] == 999
    groups = [
        {image["group"] for image in json.loads((tmp_path / f"{name}.json").read_text())["images"]}
        for name in SPLITS
    ]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert max(part["distance"] for part in report["balance"].values()) < 0.03


def test_the_five_folds_of_the_study(shared, tmp_path):
    data = discover(shared / "data/recycling_annotations", data_of(tmp_path, pixels="none"))
    assert data.train.files == [f"val_{index}.json" for index in range(5)]
    report = prepare.prepare(data, 0, tmp_path)
    assert sum(part["images"] for part in report["splits"].values()) == 4883
    assert sum(part["boxes"] for part in report["splits"].values()) == 23144 - 1
    assert codes(report)["box_duplicate"] == 1 and codes(report)["annotation_ids_from_zero"] == 1


def test_pycocotools_finds_every_box_that_started_at_id_0(tmp_path):
    write(tmp_path, make_set(tmp_path, 8))
    sets, _ = prepared(tmp_path)
    perfect = [
        {key: entry[key] for key in ("image_id", "category_id", "bbox")} | {"score": 1.0}
        for entry in sets["train"]["annotations"]
    ]
    truth = COCO(str(tmp_path / "prepared/train.json"))
    evaluation = COCOeval(truth, truth.loadRes(perfect), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_data_check_reports_and_touches_no_prepared_data(project):
    root = project.folder.parent / "mine"
    write(root, make_set(root))
    done = project.run("python", "-m", "stages.data_check", str(root))
    assert "data_check: train: coco annotations.json" in done.stdout
    assert (project.folder / "data/checked/report.html").is_file()
    assert not (project.folder / "data/prepared").exists()
    shutil.rmtree(root / "images")
    done = project.make("--silent", "data-check", f"ROOT={root / 'no'}", check=False)
    assert done.returncode and "no such folder" in done.stdout and "Traceback" not in done.stdout
