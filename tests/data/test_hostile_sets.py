"""Sets that are hostile or random: prepare stops with one line or goes on, and never ends in a traceback."""

from __future__ import annotations

import copy
import json
import math
import random
import resource
from html.parser import HTMLParser

import pytest
from broken_sets import CASES, Healthy
from broken_sets.outcome import Outcome
from broken_sets.paths import hostile

from stages import prepare
from stages.errors import InputError
from stages.study import params, strict

VALUES = (
    None,
    [],
    {},
    10**400,
    -1,
    0,
    1e308,
    math.nan,
    math.inf,
    "",
    "x",
    "\ud800",
    True,
    [[1, 2]],
    {"a": []},
    [1] * 4,
)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory) -> Healthy:
    return Healthy(tmp_path_factory.mktemp("healthy"))


def places(value, found: list) -> list:
    """(container, key) of everything inside."""
    for key in value if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            places(value[key], found)
    return found


def corrupt(content: dict, rng: random.Random) -> None:
    """Another value, or none, in one to twelve places of the structure; the upper levels as often as the leaves."""
    for _ in range(rng.choice((1, 1, 2, 12))):
        levels = places(content, [])
        top = [place for place in levels if place[0] is content]
        rows = [place for place in levels if any(place[0] is content.get(key) for key in content)]
        container, key = rng.choice(
            rng.choice(
                [part for part in (top, rows, levels, levels, levels, levels) if part]
                or [[(content, "images")]]
            )
        )
        if isinstance(container, dict) and rng.random() < 0.2:
            container.pop(key, None)
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))


def untouched(old: dict, new: dict) -> list[str]:
    """Images whose entry, boxes and classes are as they were. Positions do not change."""
    changed = {
        entry["image_id"]
        for entry, now in zip(old["annotations"], new["annotations"])
        if entry != now
    }
    classes = {
        entry["id"] for entry, now in zip(old["categories"], new["categories"]) if entry != now
    }
    changed |= {
        entry["image_id"] for entry in old["annotations"] if entry["category_id"] in classes
    }
    return [
        f"images/{entry['file_name']}"
        for entry, now in zip(old["images"], new["images"])
        if entry == now and entry["id"] not in changed
    ]


@pytest.mark.parametrize("block", range(8))
def test_200_random_corruptions(block, healthy, tmp_path):
    """One line or a set, in which images that were not touched still have their boxes."""
    rng = random.Random(block)
    accepted = compared = 0
    for number in range(25):
        folder = tmp_path / str(number)
        broken = healthy.copy(folder / "set")
        broken.data["policy"] = {}
        broken.data["pixels"] = "none" if number % 5 else "header"
        corrupt(broken.content, rng)
        policy = {"image_missing": "drop", "image_id_duplicate": "drop", "category_unknown": "drop"}
        outcome = Outcome(broken, folder / "prepared", policy if number % 2 else {})
        assert outcome.error.isprintable()
        # True is 1 to Python, so an image may have become a second one of id 1.
        if not outcome.error and "image_id_duplicate" not in outcome.found:
            boxes = outcome.boxes()
            accepted += 1
            for name in untouched(healthy.content, broken.content):
                assert set(broken.expected[name]) <= set(boxes[name])
                compared += 1
    # A prepare that refuses whatever is not whole ends in one line too.
    assert accepted >= 10 and compared >= 200


@pytest.mark.parametrize("depth", [50, 700, 850])
def test_lists_of_lists_of_lists(depth, healthy, tmp_path):
    """Deeper than NumPy has dimensions, and near to what Python can write or show."""
    broken = healthy.copy(tmp_path / "set")
    broken.data.update(pixels="none", policy={})
    deep = "[" * depth + "]" * depth
    broken.add_box("DEEP")
    for key in ("id", "iscrowd", "area", "category_id", "image_id"):
        broken.add_box([1, 2, 30, 30], **{key: "DEEP"})
    broken.add_image(id="DEEP")
    broken.add_image(width="DEEP")
    broken.images[0].update(other="DEEP", group="DEEP")
    broken.categories.append({"id": 4, "name": "DEEP"})
    broken.text = json.dumps(broken.content).replace('"DEEP"', deep).encode()
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    assert not outcome.error and outcome.found["entry_incomplete"]["count"] == 4
    assert set(outcome.boxes()) == set(broken.expected)


def test_random_bytes_in_the_file(healthy, tmp_path):
    rng = random.Random(1)
    accepted = 0
    for number in range(25):
        broken = healthy.copy(tmp_path / str(number) / "set")
        broken.data["pixels"] = "none"
        data = bytearray(json.dumps(broken.content).encode())
        for _ in range(rng.choice((1, 3))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        broken.text = bytes(data)
        outcome = Outcome(broken, tmp_path / str(number) / "prepared")
        assert outcome.error.isprintable()
        if not outcome.error:
            accepted += 1
            boxes = outcome.boxes()
            for name in untouched(healthy.content, json.loads(broken.text)):
                assert set(broken.expected[name]) <= set(boxes[name])
    # Most bytes elsewhere make it no JSON; a digit or a letter of a name can still be read.
    assert accepted >= 3


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append(tag)


def test_hostile_names_come_through(healthy, tmp_path):
    """As they are in the splits; as text on the page."""
    broken = healthy.copy(tmp_path / "set")
    hostile(broken)
    broken.categories[0]["name"] = "<img src=x onerror=alert(1)>"
    broken.expected = {
        name: sorted(
            (box[0].replace("can", "<img src=x onerror=alert(1)>"), *box[1:]) for box in boxes
        )
        for name, boxes in broken.expected.items()
    }
    broken.images[20].update(note="\ud800", exposure=math.nan, group={"<b>": "\0"})
    outcome = Outcome(broken, tmp_path / "prepared", page=True)
    assert not outcome.error and outcome.boxes() == broken.expected
    html = (tmp_path / "prepared" / "report.html").read_text(encoding="utf-8")
    plain = healthy.copy(tmp_path / "plain")
    Outcome(plain, tmp_path / "plain_prepared", page=True)
    tags, usual = Tags(), Tags()
    tags.feed(html)
    usual.feed((tmp_path / "plain_prepared" / "report.html").read_text(encoding="utf-8"))
    # No tag that the page of the healthy set has not.
    assert (
        tags.seen.count("script") == usual.seen.count("script") and "onerror=alert(1)>" not in html
    )
    assert "\u202e" not in html


@pytest.mark.parametrize(
    "name", ["\0", "\n", "\ud800", "x" * 300, "../" * 40 + "etc/passwd", "/dev/zero", "~", "."]
)
def test_hostile_names_stop_with_one_line(name, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    broken.images[0]["file_name"] = name
    policy = {
        code: "fatal"
        for code in ("path_invalid", "path_climbs", "path_absolute", "image_unreadable")
    }
    outcome = Outcome(broken, tmp_path / "prepared", policy, page=True)
    assert outcome.error and outcome.error.isprintable() and "image" in outcome.error
    assert outcome.found and (tmp_path / "prepared" / "report.html").exists()


def test_a_bomb_of_entities_takes_no_memory(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", "voc")
    CASES["xml_of_entities"].breaks(broken)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = Outcome(broken, tmp_path / "prepared")
    assert outcome.found["label_file_broken"]["examples"][0]["note"] == "declares XML entities"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_external_entity_is_not_read(encoding, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set", "voc")
    CASES["xml_of_an_external_entity"].breaks(broken)
    path = broken.root / "Annotations" / "003.xml"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    outcome = Outcome(broken, tmp_path / "prepared")
    # The entity names the very image: it would come out, were it read.
    assert outcome.boxes() == broken.expected and "images/003.jpg" not in broken.expected


def test_nothing_left_says_what_took_most(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for path in (broken.root / "images").iterdir():
        path.write_bytes(b"")
    outcome = Outcome(broken, tmp_path / "prepared")
    assert outcome.error.startswith("data: no image of the train files")
    assert "image_empty_file 24 times" in outcome.error
    assert outcome.report["splits"] == {}


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_of_its_own_must_not_be_empty(split, healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    for image in broken.move(split, 0, 6)["images"]:
        (broken.root / "images" / image["file_name"]).write_bytes(b"")
    assert f"of the {split} files" in Outcome(broken, tmp_path / "prepared").error


def test_a_missing_root_is_one_line(healthy, tmp_path):
    broken = healthy.copy(tmp_path / "set")
    broken.data["root"] = str(tmp_path / "none")
    # Nothing can be said of a folder that is not there: no report is written.
    data = strict.validate(params.Data, broken.params(), "data")
    with pytest.raises(InputError, match="none; set it to the folder of your images"):
        prepare.prepare(data, 0, tmp_path / "prepared")
