"""data.policy: what each action leaves in the splits, and that a fatal one takes the page with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from broken_sets import CASES, BrokenSet, Healthy
from broken_sets.outcome import Outcome

from stages import prepare
from stages.data.catalogue import CHECKS
from stages.study.strict import StudyError

THIRD = "images/003.jpg"


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def add(*box: object) -> Callable[[BrokenSet], None]:
    return lambda broken: broken.expect_box("003.jpg", *box)


def lose(*names: str) -> Callable[[BrokenSet], None]:
    def take(broken: BrokenSet) -> None:
        for name in names:
            del broken.expected[name]

    return take


def call(old: str, new: str) -> Callable[[BrokenSet], None]:
    def rename(broken: BrokenSet) -> None:
        broken.expected = {
            file: sorted((new if box[0] == old else box[0], *box[1:]) for box in boxes)
            for file, boxes in broken.expected.items()
        }

    return rename


def as_in_the_file(broken: BrokenSet) -> None:
    """The boxes of the third image, as they are written."""
    names = {entry["id"]: entry["name"] for entry in broken.categories}
    broken.expected[THIRD] = sorted(
        (names[entry["category_id"]], *map(float, entry["bbox"]), float(entry["area"]))
        for entry in broken.annotations
        if entry["image_id"] == 3
    )


def add_outside(broken: BrokenSet) -> None:
    broken.expected["images/added.png"] = [("can", 10.0, 10.0, 20.0, 20.0, 200.0)]


def without_added(broken: BrokenSet) -> None:
    """What the case expects, less the box that it added to the third image."""
    broken.expected[THIRD] = [
        box for box in broken.expected[THIRD] if box[5] not in (80, 200, 300, 320, 1200)
    ]


# Mutation, action, and how what comes out differs from what comes out under the default.
POLICIES = [
    ("box_of_negative_width", "repair", add("can", 20, 10, 20, 30, 200)),
    (
        "box_over_the_edge",
        "keep",
        lambda broken: (without_added(broken), add("can", 80, 10, 40, 20, 800)(broken)),
    ),
    ("box_over_the_edge", "drop", without_added),
    (
        "box_over_by_rounding",
        "repair",
        lambda broken: (without_added(broken), add("can", 80, 10, 16, 20, 300)(broken)),
    ),
    ("box_of_4_pixels", "drop", without_added),
    ("box_of_the_whole_image", "drop", without_added),
    ("category_of_val_alone", "drop", lambda broken: None),
    ("category_with_spaces", "keep", call("can", " can\n")),
    ("category_in_another_case", "repair", call("Can", "can")),
    ("category_variants_in_one_file", "repair", lambda broken: None),
    ("category_of_other_separators", "repair", lambda broken: None),
    ("xml_of_a_class_in_another_case", "repair", call("can", "CAN")),
    ("classes_from_one", "repair", lambda broken: None),
    ("link_out_of_the_root", "keep", add_outside),
    ("image_of_nothing", "drop", lose("images/006.png")),
    ("file_twice", "drop", lose("images/005.jpg")),
    ("cmyk", "drop", lose("images/009.jpg")),
    ("size_missing", "drop", lose(THIRD)),
    ("size_wrong", "drop", lose(THIRD)),
    ("image_halved", "drop", lose(THIRD)),
    ("exif_declared_as_stored", "drop", lose(THIRD)),
    ("name_absolute_inside", "drop", lose(THIRD)),
    ("file_absent", "drop", lambda broken: None),
    ("group_in_train_and_val", "drop", lose("images/011.jpg")),
]


@pytest.mark.parametrize(("name", "action", "differs"), POLICIES)
def test_an_action_does_what_it_says(name, action, differs, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", CASES[name].kind)
    CASES[name].breaks(broken)
    differs(broken)
    outcome = Outcome(broken, tmp_path / "prepared", {CASES[name].code: action})
    assert not outcome.error and outcome.boxes() == broken.expected


def test_repair_joins_a_class_of_val_that_is_spelt_otherwise(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["category_of_val_in_another_case"].breaks(broken)
    outcome = Outcome(broken, tmp_path / "prepared", {"category_name_variant": "repair"})
    assert not outcome.error and outcome.boxes() == broken.expected
    assert outcome.report["classes"] == ["can", "bag", "cup"]
    assert [(row["code"], row["before"], row["after"]) for row in outcome.changes] == [
        ("category_name_variant", "Can", "can")
    ]


@pytest.mark.parametrize("policy", ["keep", "repair"])
def test_two_categories_of_one_file_are_two_classes_in_every_file(policy, healthy, tmp_path):
    """can and CAN of the first file; a second one lists both, and a third a spelling that could be either."""
    broken = healthy.copy(tmp_path / "set")
    broken.categories.append({"id": 4, "name": "CAN"})
    broken.move("val", 0, 6)
    test = broken.move("test", 0, 6)
    broken.categories.append({"id": 5, "name": "c-n"})
    test["categories"].append({"id": 7, "name": "Can"})
    outcome = Outcome(
        broken, tmp_path / "prepared", {"category_name_variant": policy, "category_unknown": "drop"}
    )
    assert not outcome.error and outcome.boxes() == broken.expected
    assert outcome.report["classes"] == ["can", "bag", "cup", "CAN", "c-n"]
    assert [row["label"] for row in outcome.changes if row["code"] == "category_unknown"] == ["Can"]
    assert "category_name_variant" in outcome.found


def test_categories_of_one_name_say_that_their_supercategories_differ(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["category_name_twice"].breaks(broken)
    broken.categories[0]["supercategory"], broken.categories[3]["supercategory"] = "metal", "drink"
    outcome = Outcome(broken, tmp_path / "prepared")
    (row,) = [row for row in outcome.changes if row["code"] == "category_name_duplicate"]
    assert (
        row["before"] == "ids 1 and 4" and row["note"] == "of the supercategories metal and drink"
    )


def test_keep_leaves_boxes_of_turned_images_as_they_are(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["exif_declared_as_stored"].breaks(broken)
    as_in_the_file(broken)
    policy = {"exif_conflict": "keep", "box_outside": "keep"}
    outcome = Outcome(broken, tmp_path / "prepared", policy)
    left = {"box_wholly_outside", "exif_conflict", "box_outside"}
    assert set(outcome.found) <= left and set(outcome.boxes()[THIRD]) <= set(broken.expected[THIRD])


def test_keep_leaves_an_image_in_both_splits(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["image_in_train_and_val"].breaks(broken)
    splits = Outcome(broken, tmp_path / "prepared", {"split_image_shared": "keep"}).splits()
    holders = [
        name
        for name, content in splits.items()
        if any(image["file_name"] == "images/001.jpg" for image in content["images"])
    ]
    assert len(holders) == 2 and "val" in holders


def test_an_image_in_two_splits_stays_in_the_later_one(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    CASES["image_in_train_and_val"].breaks(broken)
    val = Outcome(broken, tmp_path / "prepared").splits()["val"]
    assert "images/001.jpg" in [image["file_name"] for image in val["images"]]


def test_look_alikes_and_groups_stay_together(healthy, tmp_path):
    """Whatever the seed: a chain of a group, a copy and a look-alike is one."""
    broken = healthy.copy(tmp_path / "set")
    CASES["file_twice"].breaks(broken)
    broken.images[4]["group"] = broken.images[12]["group"] = 5
    broken.images[13]["group"] = "5"
    names = {f"images/{broken.images[index]['file_name']}" for index in (2, 4, 12, 13)}
    splits = Outcome(broken, tmp_path / "prepared").splits()
    assert (
        sum(
            not names.isdisjoint(image["file_name"] for image in content["images"])
            for content in splits.values()
        )
        == 1
    )


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"image_mising": "drop"}, "no such check; near it: image_missing"),
        ({"image_missing": "repair"}, "'repair' is not one of fatal, drop"),
    ],
)
def test_a_policy_that_cannot_be(policy, says, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    with pytest.raises(StudyError, match=says):
        Outcome(broken, tmp_path / "prepared", policy)


def test_the_catalogue_is_whole():
    for check in CHECKS.values():
        assert (
            check.severity in ("error", "warning", "info")
            and check.title
            and check.help.endswith((".", "?"))
        )
        assert check.actions and set(check.actions) <= {"keep", "drop", "repair", "fatal"}
        # A fault of which a training could learn nonsense is not kept in silence.
        assert check.severity != "error" or check.actions[0] != "keep" or check.code == "json_nan"


def test_changes_that_start_no_stage_are_said():
    kept = [{"code": "path_link_outside", "action": "kept"}]
    report = {"source": "coco", "pixels": "none", "findings": kept}
    pixels, links = prepare._not_noticed(report)
    assert "data.pixels is none" in pixels and "dvc repro --force prepare" in links
    dropped = [{**kept[0], "action": "dropped"}]
    assert prepare._not_noticed({**report, "pixels": "decode", "findings": dropped}) == []


@pytest.mark.parametrize("zero", ["labels/003.txt", "elsewhere/labels/003.txt"])
def test_classes_from_zero_under_the_policy_of_an_earlier_set(zero, healthy, tmp_path):
    """class_numbers_from_one: repair was right for that set; a label of class 0, of any split, shows that here it is
    not."""
    broken = healthy.copy(tmp_path / "set", "yolo")
    if zero.startswith("elsewhere"):
        for path in (broken.root / "labels").iterdir():
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if not line.startswith("0")))
        (broken.root / zero).parent.mkdir(parents=True)
        (broken.root / zero).write_text("0 0.5 0.5 0.25 0.25\n")
        for name, boxes in broken.expected.items():
            broken.expected[name] = [box for box in boxes if box[0] != "can"]
    policy = {"class_numbers_from_one": "repair"}
    outcome = Outcome(broken, tmp_path / "prepared", policy)
    found = outcome.found["class_numbers_from_one"]
    assert found["action"] == "kept" and "not repaired" in found["examples"][0]["note"]
    assert outcome.boxes() == broken.expected
