"""prepare on sets that are broken in one way each: found, mended, and nothing else touched."""

from __future__ import annotations

import pytest
from broken_sets import CASES, Case, Healthy
from broken_sets.outcome import Outcome

from stages.data.catalogue import CHECKS, DONE

# Findings that count what has one place: a file's gaps, its unread fields.
COUNTED = {"category_id_gaps"}
# Repairs without a value of their own: the second entry went.
UNSAID = {"image_entry_duplicate"}
# One case for each code, to try its other actions on.
FIRST = {case.code: case for case in reversed(CASES.values()) if not case.action}
OTHER_ACTIONS = [
    (code, action) for code, case in FIRST.items() for action in CHECKS[code].actions[1:]
]


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def run(case: Case, healthy: Healthy, folder, policy: dict[str, str] | None = None):
    broken = healthy.copy(folder / "set", case.kind)
    case.breaks(broken)
    broken.data.update(case.data)
    return broken, Outcome(broken, folder / "prepared", policy)


def check_stopped(outcome: Outcome, code: str, says: str) -> None:
    """One line with the code, the place and the remedy, and a report of it."""
    assert outcome.error.startswith(f"{code}: ") and says in outcome.error
    assert CHECKS[code].help in outcome.error and outcome.error.isprintable()
    assert outcome.found[code]["action"] == "fatal" and outcome.pages == [
        outcome.folder / "report.html"
    ]
    assert not list(outcome.folder.glob("t*.json"))


def check_changes(outcome: Outcome, code: str, action: str, after: str = "") -> None:
    """Every repair and drop of `code` has its row, with what was and what is."""
    rows = [row for row in outcome.changes if row["code"] == code]
    if action == "keep":
        assert not rows
        return
    assert len(rows) >= outcome.found[code]["count"] or code in COUNTED
    for row in rows:
        assert row["action"] == DONE[action]
        assert row["before"] or row["file"] or row["source"]
        assert action == "drop" or row["after"] or code in UNSAID
    assert any(after in row["after"] for row in rows)


@pytest.mark.parametrize("name", CASES)
def test_one_fault(name, healthy, tmp_path):
    case = CASES[name]
    action = case.action or CHECKS[case.code].actions[0]
    broken, outcome = run(case, healthy, tmp_path)
    assert case.code in outcome.found, outcome.error
    assert outcome.found[case.code]["action"] == DONE[action]
    if action == "fatal":
        check_stopped(outcome, case.code, case.says)
        return
    assert not outcome.error
    assert set(outcome.found) == {case.code} | case.also
    assert outcome.boxes() == broken.expected
    check_changes(outcome, case.code, action, case.after)


def test_every_code_has_a_case():
    assert set(CHECKS) == {case.code for case in CASES.values()}


@pytest.mark.parametrize(("code", "action"), OTHER_ACTIONS)
def test_the_other_actions_of_a_code(code, action, healthy, tmp_path):
    case = FIRST[code]
    broken, outcome = run(case, healthy, tmp_path, {code: action})
    assert outcome.found[code]["action"] == DONE[action], outcome.error
    if action == "fatal":
        check_stopped(outcome, code, "")
        return
    assert not outcome.error
    check_changes(outcome, code, action)
    if (code, action) == ("split_image_shared", "keep"):
        return
    boxes = outcome.boxes()
    if action == "drop":
        # Whole images or single boxes go; what is left is as it was.
        assert boxes.keys() <= broken.expected.keys() and all(
            set(found) <= set(broken.expected[file]) for file, found in boxes.items()
        )
        assert boxes != broken.expected or code in DROP_ADDED
    elif action == "keep":
        assert boxes.keys() >= broken.expected.keys()


# Codes whose case adds what is then dropped: the set without it is the healthy one.
DROP_ADDED = {"category_unknown", "image_missing"}


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_nothing_is_found_in_a_healthy_set(kind, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", kind)
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    assert not outcome.error and not outcome.found and not outcome.changes
    assert outcome.boxes() == broken.expected
    assert (tmp_path / "prepared" / "report.html").stat().st_size > 10_000


def test_boxes_of_an_ambiguous_image_go_with_it(healthy, tmp_path):
    """012.png has the id of another image, and is listed again under an id of its own."""
    broken = healthy.copy(tmp_path / "set")
    broken.lose(10, 11)
    broken.images[11]["id"] = 11
    broken.content["annotations"] = [
        entry for entry in broken.annotations if entry["image_id"] != 12
    ]
    broken.images.append({**broken.images[11], "id": 99})
    broken.add_box([1, 2, 30, 40], image_id=99)
    outcome = Outcome(broken, tmp_path / "prepared", {"image_id_duplicate": "drop"})
    assert not outcome.error and outcome.boxes() == broken.expected
    rows = [row["file"] for row in outcome.changes if row["code"] == "image_id_duplicate"]
    assert sorted(rows) == ["011.jpg", "012.png"]


def test_lists_of_voc(healthy, tmp_path):
    """Names alone, names with spaces, and names with 1 or -1, as the lists of one class have them."""
    broken = healthy.copy(tmp_path / "set", "voc")
    stems = [name[7:10] for name in broken.expected]
    for folder, suffix in (("images", ".jpg"), ("Annotations", ".xml")):
        (broken.root / folder / f"001{suffix}").rename(broken.root / folder / f"0 0 1{suffix}")
    broken.edit("Annotations/0 0 1.xml", lambda text: text.replace("001.jpg", "0 0 1.jpg"))
    broken.expected["images/0 0 1.jpg"] = broken.expected.pop("images/001.jpg")
    lists = broken.root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(["0 0 1", *stems[1:18], ""]))
    (lists / "val.txt").write_text(
        "".join(f"{stem}  {number}\n" for stem, number in zip(stems[18:], (1, -1, 0) * 2))
    )
    for split in ("train", "val"):
        broken.data[split] = {"annotations": f"ImageSets/Main/{split}.txt", "images": "images"}
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found and outcome.boxes() == broken.expected
    assert len(outcome.splits()["val"]["images"]) == 6


def test_the_image_of_a_voc_file_of_another_name(healthy, tmp_path):
    """Where no image has the XML's own name, <filename> is all there is."""
    broken = healthy.copy(tmp_path / "set", "voc")
    (broken.root / "Annotations" / "003.xml").rename(broken.root / "Annotations" / "third.xml")
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found and outcome.boxes() == broken.expected


def test_the_boxes_of_a_lost_image_go_to_no_other(healthy, tmp_path):
    """<filename> is stale, and what it names has an XML file of its own."""
    broken = healthy.copy(tmp_path / "set", "voc")
    broken.edit("Annotations/003.xml", lambda text: text.replace("003.jpg", "004.png"))
    (broken.root / "images" / "003.jpg").unlink()
    del broken.expected["images/003.jpg"]
    outcome = Outcome(broken, tmp_path / "prepared", {"image_missing": "drop"})
    assert set(outcome.found) == {"filename_stale", "image_missing"}
    assert not outcome.error and outcome.boxes() == broken.expected


def test_stale_filenames_can_be_trusted(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", "voc")
    CASES["filenames_of_other_images"].breaks(broken)
    third, fourth = "images/003.jpg", "images/004.png"
    broken.expected[third], broken.expected[fourth] = (
        broken.expected[fourth],
        broken.expected[third],
    )
    outcome = Outcome(broken, tmp_path / "prepared", {"filename_stale": "keep"})
    assert not outcome.error and not outcome.changes and outcome.boxes() == broken.expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "can\nbag\ncup\n"),
        ("a.yaml", "names:\n  0: can\n  1: bag\n  2: cup\npath: x\n"),
    ],
)
def test_class_names_of_yolo(name, text, healthy, tmp_path):
    """Labels of Windows, classes as 1.0, and images in folders of their own."""
    broken = healthy.copy(tmp_path / "set", "yolo")
    (broken.root / "data.yaml").unlink()
    (broken.root / name).write_text(text)
    for folder, suffix in (("images", ".jpg"), ("labels", ".txt")):
        (broken.root / folder / "a" / "b").mkdir(parents=True)
        (broken.root / folder / f"003{suffix}").rename(
            broken.root / folder / "a" / "b" / f"003{suffix}"
        )
    broken.expected["images/a/b/003.jpg"] = broken.expected.pop("images/003.jpg")
    broken.edit(
        "labels/001.txt",
        lambda text: "\ufeff" + text.replace("\n", "\r\n").replace("1 ", "1.0 ", 1),
    )
    outcome = Outcome(broken, tmp_path / "prepared")
    assert not outcome.error and not outcome.found and outcome.boxes() == broken.expected


# They break different things: all of them can be in one set.
TOGETHER = (
    "box_twice",
    "box_of_three",
    "box_over_the_edge",
    "box_of_negative_width",
    "box_without_height",
    "annotation_of_no_image",
    "annotation_of_no_category",
    "category_without_boxes",
    "category_with_spaces",
    "name_of_half_a_character",
    "file_of_0_bytes",
    "file_of_html",
    "png_cut",
    "area_of_0",
    "iscrowd_2",
    "image_listed_twice",
    "segmentations",
    "annotation_is_text",
    "name_with_a_backslash",
    "file_without_an_entry",
    "cmyk",
)


def test_many_faults_at_once(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for name in TOGETHER:
        CASES[name].breaks(broken)
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    assert not outcome.error
    assert {CASES[name].code for name in TOGETHER} <= outcome.found.keys() and len(TOGETHER) > 15
    assert outcome.boxes() == broken.expected


def test_a_stopped_run_has_its_page(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for name in ("file_absent", "category_without_a_name", "box_of_infinity"):
        CASES[name].breaks(broken)
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    # All that is wrong is in the report, though the one line has room for the first only.
    assert {"image_missing", "category_name_empty", "box_not_finite"} <= outcome.found.keys()
    assert outcome.error.startswith("category_name_empty: ")
    assert "image_missing" in (tmp_path / "prepared" / "report.html").read_text(encoding="utf-8")
