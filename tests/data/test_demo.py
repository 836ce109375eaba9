"""The demo set: same seed, same bytes; labels that fit the drawings and follow the study's statistics."""

import os

import numpy as np
import pytest

from stages.data.demo import render as demo
from stages.data.demo import scene as demo_scene
from stages.data.demo.render import CLASSES, plan, render_demo
from stages.data.demo.scene import Item, draw_scene

# Boxes per class in the study's labels; kept apart from the module's copy on purpose.
STUDY = np.array([3966, 6352, 897, 936, 982, 2943, 1263, 5178, 159, 468])


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def boxes(coco):
    return np.array([entry["bbox"] for entry in coco["annotations"]])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return folder, render_demo(folder, 8, 128, 7)


def test_same_seed_gives_same_bytes_whatever_the_number_of_workers(small, tmp_path, monkeypatch):
    folder, coco = small
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert render_demo(tmp_path, 8, 128, 7) == coco
    assert files(tmp_path) == files(folder)


def test_a_picture_does_not_depend_on_how_many_follow(small, tmp_path):
    folder, coco = small
    fewer = render_demo(tmp_path, 4, 128, 7)
    assert files(tmp_path)["0003.jpg"] == files(folder)["0003.jpg"]
    assert fewer["annotations"] == [
        entry for entry in coco["annotations"] if entry["image_id"] <= 4
    ]


def test_pictures_and_seeds_differ(small, tmp_path):
    folder, coco = small
    other = render_demo(tmp_path, 8, 128, 8)
    contents = [*files(folder).values(), *files(tmp_path).values()]
    assert len(set(contents)) == 16
    assert other["annotations"] != coco["annotations"]


def test_the_seed_changes_the_drawing_and_not_only_the_plan():
    (one, _), (other, _) = (demo.scene(seed, 0, 96, [1, 3]) for seed in (7, 8))
    assert (one != other).mean() > 0.5


def test_coco_fields(small):
    folder, coco = small
    assert set(coco) == {"images", "annotations", "categories"}
    for part in ("images", "annotations", "categories"):
        assert [entry["id"] for entry in coco[part]] == list(range(1, len(coco[part]) + 1))
    assert [entry["name"] for entry in coco["categories"]] == list(CLASSES)
    assert [entry["file_name"] for entry in coco["images"]] == sorted(files(folder))
    assert {(entry["width"], entry["height"]) for entry in coco["images"]} == {(128, 128)}
    for entry in coco["annotations"]:
        assert entry["area"] == entry["bbox"][2] * entry["bbox"][3] and entry["iscrowd"] == 0
        assert entry["category_id"] in range(1, 11) and entry["image_id"] in range(1, 9)


def test_pictures_have_the_size_asked_for(small):
    picture, _ = demo.scene(7, 0, 96, plan(7, 1)[0])
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8 and picture.std() > 5


def alone(monkeypatch, items, image_size=160):
    """How much of each pixel is drawn over, 0..1, and the boxes: no ground, no shadow, no light."""
    empty = np.full((image_size, image_size, 3), -1e4, np.float32)
    monkeypatch.setattr(demo_scene, "ground", lambda *_: empty.copy())
    monkeypatch.setattr(demo_scene, "_shadow", lambda *_: None)
    monkeypatch.setattr(demo_scene, "_lit", lambda rng, canvas, grain: canvas)
    canvas, found = draw_scene(np.random.default_rng(5), items, image_size)
    return canvas.max(2) / 1e4 + 1, found


@pytest.mark.parametrize("label", range(10), ids=CLASSES)
@pytest.mark.parametrize(
    "centre, side, aspect",
    [
        ((0.5, 0.5), 0.4, 0.3),
        ((0.4, 0.6), 0.1, -0.2),
        ((0.02, 0.5), 0.3, 0.0),
        ((0.6, 0.99), 0.25, 0.0),
    ],
)
def test_boxes_are_tight(monkeypatch, label, centre, side, aspect):
    drawn, [(x, y, width, height)] = alone(monkeypatch, [Item(label, centre, side, aspect, 0.8)])
    rows, columns = np.nonzero(drawn > 0.3)
    assert x - 1 <= columns.min() and columns.max() <= x + width
    assert y - 1 <= rows.min() and rows.max() <= y + height
    box = drawn[y : y + height, x : x + width]
    assert box.shape == (height, width)
    assert min(edge.max() for edge in (box[0], box[-1], box[:, 0], box[:, -1])) > 0.3


@pytest.mark.parametrize("label", range(10), ids=CLASSES)
def test_an_object_has_the_size_asked_for(monkeypatch, label):
    _, [(_, _, width, height)] = alone(monkeypatch, [Item(label, (0.5, 0.5), 0.4, 0.3, 0.8)])
    assert np.sqrt(width * height) == pytest.approx(0.4 * 160, rel=0.05)
    assert np.log(width / height) == pytest.approx(0.3, abs=0.25)


def test_a_hidden_object_has_no_box_and_a_half_hidden_one_keeps_its_whole_box(monkeypatch):
    tray = Item(6, (0.5, 0.5), 0.4, 0.0, 0.1)
    under, aside = Item(1, (0.5, 0.5), 0.1, 0.0, 0.1), Item(1, (0.3, 0.5), 0.2, 0.0, 0.1)
    _, [hidden, _] = alone(monkeypatch, [under, tray])
    _, [shown, _] = alone(monkeypatch, [aside, tray])
    _, [whole] = alone(monkeypatch, [aside])
    assert hidden is None and shown == whole


def test_a_sliver_has_no_box(monkeypatch):
    at = np.arange(-0.08, 0.0, 1 / 160)
    found = [alone(monkeypatch, [Item(6, (x, 0.5), 0.1, 0.0, 0.01)])[1][0] for x in at]
    widths = [box[2] for box in found if box]
    # Moving in by a pixel at a time, it passes through a width of 1 px.
    assert found[0] is None and min(widths) == 2


def test_an_object_outside_the_picture_has_no_box(monkeypatch):
    _, found = alone(
        monkeypatch, [Item(3, (1.5, 0.5), 0.2, 0.0, 0.5), Item(3, (0.5, 0.5), 0.2, 0.0, 0.5)]
    )
    assert found[0] is None and found[1] is not None


@pytest.mark.parametrize("seed", range(5))
def test_class_shares_are_the_studys_drawn_in(seed):
    images = plan(seed, 400)
    counts = np.bincount(np.concatenate(images), minlength=10)
    expected = STUDY**demo.EVENNESS
    # Independent draws would miss this: the share of plastic bags alone would vary by 0.01.
    assert np.abs(counts / counts.sum() - expected / expected.sum()).max() < 0.006
    # Rare and frequent classes stay what they are.
    assert (np.argsort(counts)[[0, 1, -1]] == np.argsort(STUDY)[[0, 1, -1]]).all()
    crowd = np.array([len(labels) for labels in images])
    # The study's mean is 4.7; its spread, from 1 to 71, is drawn in as the module says.
    assert crowd.min() == 2 and crowd.max() == 7
    assert crowd.mean() == pytest.approx(3.75, abs=0.2)
    assert np.mean(crowd == 2) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_small_set_has_every_class_and_sane_boxes(seed, tmp_path):
    coco = render_demo(tmp_path, 240, 64, seed)
    counts = np.bincount([entry["category_id"] for entry in coco["annotations"]], minlength=11)[1:]
    assert counts.min() >= 4
    planned = np.bincount(np.concatenate(plan(seed, 240)), minlength=10)
    assert counts.sum() > 0.95 * planned.sum()
    found = boxes(coco)
    assert found[:, 2:].min() >= 2 and found[:, :2].min() >= 0
    assert (found[:, :2] + found[:, 2:]).max() <= 64


def test_box_sizes_follow_the_study_but_for_the_small_ones(tmp_path):
    relative = boxes(render_demo(tmp_path, 240, 128, 11)) / 128
    sizes = np.sqrt(relative[:, 2] * relative[:, 3])
    # COCO's size limits at 192 px; the study has 1.35, 22.4 and 76.2 % at 1024.
    pixels = sizes * 192
    small = pixels < 32
    assert np.mean(small) == pytest.approx(demo.SMALL_SHARE, abs=0.03)
    assert np.mean(pixels < 96) == pytest.approx(0.90, abs=0.03)
    # Quartiles of sqrt(area) / image side over the study's 23,144 boxes, drawn in as the module says.
    expected = demo.PIVOT * (np.array([0.098, 0.193, 0.337]) / demo.PIVOT) ** demo.NARROWING
    assert np.quantile(sizes[~small], [0.25, 0.5, 0.75]) == pytest.approx(expected, rel=0.2)
    # At the border a box is cut off, whatever its aspect.
    inside = (relative[:, :2] > 0.016).all(1) & (relative[:, :2] + relative[:, 2:] < 0.984).all(1)
    aspects = np.log(relative[~small & inside, 2] / relative[~small & inside, 3])
    # The box of a turned object adds to the spread of the objects' own aspects, .263.
    assert 0.658 * demo.NARROWING < aspects.std() < 0.34


def test_small_boxes_are_small_at_the_demo_sets_own_size_and_wide_enough_to_learn(tmp_path):
    found = boxes(render_demo(tmp_path, 12, 192, 3))
    sides = np.sqrt(found[:, 2] * found[:, 3])
    small = sides[sides < 32]
    assert len(small) >= 3
    # 24 px are 12 at 96 px, a cell of 512 in miniature; one for rounding.
    assert small.min() >= 23


@pytest.mark.parametrize("arguments", [(0, 128, 0), (4, 32, 0), (4, 128, -1)])
def test_impossible_sets_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match="at least 1 image of at least 64 px"):
        render_demo(tmp_path / "demo", *arguments)
    assert not (tmp_path / "demo").exists()
