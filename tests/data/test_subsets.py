"""Shares of the training images: nested, balanced in classes, of whole groups, the same for one seed."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest

from stages.data.split import train_order
from stages.model.resolve import beginning, positions
from stages.prepare import prepare
from stages.study import params
from stages.study.schema import DemoImages

SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


def images(number: int, largest_group: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of a common, a rarer and a rare class, and groups of neighbouring images."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson((3.0, 1.0, 0.2), (number, 3))
    sizes = rng.integers(1, largest_group + 1, number)
    return counts, np.repeat(np.arange(number), sizes)[:number] * 7


@pytest.mark.parametrize(("number", "largest"), [(400, 1), (400, 6), (2000, 3)])
def test_shares_are_nested_balanced_and_of_whole_groups(number, largest):
    counts, groups = images(number, largest)
    ordered = train_order(counts, groups, seed=3)
    assert sorted(image for members in ordered for image in members) == list(range(number))
    taken = [beginning(ordered, share) for share in SHARES]
    for share, chosen in zip(SHARES, taken):
        assert abs(len(chosen) - share * number) <= max(0.05 * share * number, largest / 2)
        assert not set(groups[chosen]) & set(np.delete(groups, chosen)), "a group is cut"
        own = counts[chosen].sum(axis=0) / counts.sum(axis=0)
        room = 1.5 * largest / counts.sum(axis=0)
        assert (np.abs(own - len(chosen) / number) < np.maximum(0.05 * share, room)).all(), (
            share,
            own,
        )
    for smaller, larger in itertools.pairwise(taken):
        assert set(smaller) < set(larger)


def test_a_random_half_is_further_from_balance():
    """The measure of the test above is one that a plain draw fails."""
    counts, groups = images(400, 1)
    half = beginning(train_order(counts, groups, seed=0), 0.5)
    rng = np.random.default_rng(0)

    def distance(chosen) -> float:
        return float(np.abs(counts[chosen].sum(axis=0) / counts.sum(axis=0) - 0.5).max())

    drawn = [distance(rng.permutation(400)[:200]) for _ in range(20)]
    assert distance(half) < min(drawn) / 2 + 0.01 < np.median(drawn)


def plain_order(counts: np.ndarray, seed: int) -> list[int]:
    """The order of images that are groups of their own, from its definition: exact costs of each candidate."""
    content = np.column_stack([np.ones(len(counts)), counts])
    whole, total = content.sum(axis=0), np.zeros(content.shape[1])
    waiting = np.random.default_rng(seed).permutation(len(content))
    rows = []
    while len(waiting):
        candidates, rest = waiting[:256], waiting[256:]
        after = total + content[candidates]
        cost = ((after - after[:, :1] / whole[0] * whole) ** 2 / whole).sum(axis=1)
        best = cost.argmin()
        rows.append(int(candidates[best]))
        total = after[best]
        waiting = np.concatenate([rest, np.delete(candidates, best)])
    return rows


@pytest.mark.parametrize("number", [1, 40, 256, 257, 700])
def test_single_precision_decides_nothing(number):
    """Few boxes of few classes: many candidates cost the same but for rounding."""
    for seed in range(4):
        counts, _ = images(number, 1, seed)
        counts = counts[:, counts.any(axis=0)]
        ordered = train_order(counts, np.arange(number), seed)
        assert [members[0] for members in ordered] == plain_order(counts, seed)


def test_one_seed_gives_one_order_and_another_another():
    counts, groups = images(300, 3)
    assert (
        train_order(counts, groups, 1)
        == train_order(counts, groups, 1)
        != train_order(counts, groups, 2)
    )


def test_images_without_boxes_and_a_share_below_one_group():
    ordered = train_order(np.zeros((6, 2), dtype=int), np.array([0, 0, 0, 1, 1, 1]), seed=0)
    assert len(beginning(ordered, 0.01)) == 3 and len(beginning(ordered, 0.9)) == 6


def test_positions_are_among_the_images_that_are_learnt():
    ordered = [[5, 6], [1], [4], [2, 3]]
    # Image 6 has no box.
    assert positions([1, 2, 3, 4, 5], ordered, 0.5) == [0, 4]
    assert positions([1, 2, 3, 4, 5], ordered, 1.0) == list(range(5))


def test_prepare_writes_the_order_of_all_train_images(tmp_path):
    small = dataclasses.replace(
        params.load_study().data, demo_images=DemoImages(6, 2, 2), demo_image_size=64
    )
    prepare(small, 0, tmp_path)
    ordered = json.loads((tmp_path / "order.json").read_text())
    coco = json.loads((tmp_path / "train.json").read_text())
    assert sorted(image for members in ordered for image in members) == [
        image["id"] for image in coco["images"]
    ]


def test_a_share_reaches_the_config_and_is_what_two_rows_are_compared_for():
    from stages.model import resolve
    from stages.verdict import fairness
    from stages.verdict.design import declared, group_repeats
    from stages.verdict.settings import Settings

    study = params.load_study()
    name, whole = next(iter(study.cells.items()))
    half = dataclasses.replace(whole, train_share=0.5)
    study = dataclasses.replace(study, cells={name: whole, "half": half})
    assert dataclasses.replace(whole, train_share=1.0) == whole
    assert len(group_repeats(study, study.cells)) == 2 and declared(whole, half) == ("train_share",)
    compared = []
    for row, images, indices in ((name, 240, None), ("half", 120, list(range(0, 240, 2)))):
        data = {
            "source": "demo",
            "classes": ["a"],
            "image_root": "images",
            "train_images": images,
            "train_indices": indices,
            "max_detections": study.data.max_detections,
        }
        cfg = resolve.config(row, study, data)
        recorded = resolve.training_values(row, study, data) | {
            "iterations": images * 3 // 4,
            "train_images": images,
            "data_digest": "d",
            "git_commit": "c",
        }
        compared.append(Settings(row, recorded, cfg.to_dict()))
    assert "indices" not in compared[0].config["train_dataloader"]["dataset"]
    found = fairness.compare_settings(*compared, ("train_share",))
    assert found.fair, found.sentence
    # Beside another factor the share is a confounder.
    assert "data" in fairness.compare_settings(*compared, ("backbone",)).topics


def test_a_share_reads_the_same_samples_from_the_image_cache(tmp_path, monkeypatch):
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    from stages.model import resolve
    from stages.study import paths
    from stages.training import image_cache

    study = params.load_study()
    small = dataclasses.replace(study.data, demo_images=DemoImages(10, 2, 2), demo_image_size=80)
    name, whole = next(iter(study.cells.items()))
    row = dataclasses.replace(
        whole, image_size=64, train_share=0.5, batch_size=4, device_batch=None
    )
    study = dataclasses.replace(study, data=small, cells={name: row})
    monkeypatch.chdir(tmp_path)
    prepare(small, 0, paths.annotations("train").parent)
    data = resolve.read_prepared(study, study.cell(name))
    cfg = resolve.config(name, study, data)
    cached = image_cache.use(cfg, "train")
    steps = [step["type"] for step in cached.train_dataloader.dataset.pipeline]
    assert {"LoadCachedImage", "ResizeCached"} <= set(steps)
    init_default_scope("mmdet")
    plain, from_cache = (DATASETS.build(one.train_dataloader.dataset) for one in (cfg, cached))
    assert len(plain) == len(from_cache) == data["train_images"] == 5 and data["train_indices"]
    ids = json.loads((tmp_path / paths.annotations("train")).read_text())["images"]
    for place in range(len(plain)):
        samples = []
        for dataset in (plain, from_cache):
            # The pipeline draws what it flips.
            np.random.seed(place)
            samples.append(dataset[place])
        one, other = samples
        assert one["inputs"].equal(other["inputs"]) and one["inputs"].float().std() > 0
        truth, again = (sample["data_samples"] for sample in samples)
        assert truth.img_id == again.img_id == ids[data["train_indices"][place]]["id"]
        assert truth.gt_instances.bboxes.tensor.equal(again.gt_instances.bboxes.tensor)
        assert truth.gt_instances.labels.equal(again.gt_instances.labels)
