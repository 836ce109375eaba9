"""Fairness: the study's own flaws must come out as confounded with their keys, fair pairs as fair, and why."""

from __future__ import annotations

import copy
import dataclasses
import itertools

import pytest

from stages.model.compose import compose
from stages.model.resolve import training_values
from stages.study import params
from stages.study.params import ROOT
from stages.study.schema import FACTORS
from stages.tracking import provenance
from stages.verdict import consequences
from stages.verdict.consequences import RULES, rule_of
from stages.verdict.fairness import Fairness, compare_settings
from stages.verdict.settings import Settings, flatten, trains_batch_norm

KNOWN = {
    "scale": "full",
    "weights": "imagenet",
    "seed": 0,
    "data_digest": "d1",
    "git_commit": "c1",
    "clip_grad": 0,
    "versions": {"torch": "2.11.0", "dvc": "3.67.1"},
    "warmup_iterations": 500,
    "neck": "fpn",
}


def study_cell(
    backbone: str,
    batch: int,
    epochs: int,
    detector: str = "faster_rcnn",
    size: int = 512,
    optimizer: str = "sgd",
    lr: float = 0.02,
    images: int = 3902,
    **changes,
) -> Settings:
    """A training as shared/study.md tells it: the rate 0.02 is never scaled with the batch."""
    run = KNOWN | {
        "detector": detector,
        "backbone": backbone,
        "optimizer": optimizer,
        "image_size": size,
        "lr": lr,
        "batch_size": batch,
        "epochs": epochs,
        "milestones": [epochs * 2 // 3],
        "iterations": -(-images // batch) * epochs,
    }
    return Settings(f"{detector}-{backbone}-{optimizer}-{size}", run | changes)


R50, R101 = study_cell("r50", 32, 15), study_cell("r101", 32, 15)
SWIN_T, SWIN_L = study_cell("swin_t", 4, 20), study_cell("swin_l", 4, 20)
CASCADE = study_cell("r50", 8, 15, "cascade_rcnn", 1024)
ADAMW = study_cell("swin_l", 4, 20, optimizer="adamw", lr=0.0001 * 4 / 16)


def keys(found: Fairness, kind: str = "confounder") -> set[str]:
    return {one.key for one in found.of(kind)}


def test_swin_against_resnet_is_confounded_by_batch_rate_and_length():
    found = compare_settings(R50, SWIN_T, ["backbone"])
    assert not found.fair
    assert keys(found) == {"batch_size", "lr_per_sample", "epochs"}
    assert keys(found, "declared") == {"backbone"} and keys(found, "consequence") == {"milestones"}
    rate = next(one for one in found.confounders if one.key == "lr_per_sample")
    assert (rate.a, rate.b) == (0.02 / 32, 0.005) and not any(
        "Both" in one for one in found.cautions
    )
    assert "swin_t-sgd-512 4 times the linear rule's rate" in rate.reason
    assert "-r50-sgd-512 has 0.5 times" in rate.reason
    assert found.sentence == (
        "Confounded: faster_rcnn-r50-sgd-512 and faster_rcnn-swin_t-sgd-512 differ in backbone, and also in batch size "
        "(32 against 4), length of training (15 against 20), learning rate per image (0.000625 against 0.005)."
    )


def test_swapping_the_cells_swaps_the_differences():
    there, back = (
        compare_settings(R50, SWIN_T, ["backbone"]).swapped(),
        compare_settings(SWIN_T, R50, ["backbone"]),
    )
    assert (
        (there.a, there.b, there.fair)
        == (back.a, back.b, back.fair)
        == (SWIN_T.name, R50.name, False)
    )
    assert {(one.key, one.a, one.b, one.kind) for one in there.differences} == {
        (one.key, one.a, one.b, one.kind) for one in back.differences
    }


def test_sgd_against_adamw_is_confounded_by_a_rate_off_the_rule():
    found = compare_settings(SWIN_L, ADAMW, ["optimizer"])
    assert keys(found) == {"lr_per_sample"}
    assert "has 4 times and faster_rcnn-swin_l-adamw-512 1 times" in found.confounders[0].reason
    # Both off alike: still not what the optimizers are made for.
    assert not compare_settings(
        SWIN_L, study_cell("swin_l", 4, 20, optimizer="adamw", lr=0.0001), ["optimizer"]
    ).fair
    # One number for both optimizers is no difference, and yet a flaw.
    one_rate = study_cell("swin_l", 4, 20, optimizer="adamw", lr=0.02)
    assert keys(compare_settings(SWIN_L, one_rate, ["optimizer"])) == {"lr_per_sample"}
    scaled = study_cell("swin_l", 4, 20, lr=0.02 * 4 / 16)
    fair = compare_settings(scaled, ADAMW, ["optimizer"])
    assert fair.fair and keys(fair, "consequence") == {"lr_per_sample"}
    # The study's own reference decides, not MMDetection's.
    assert not compare_settings(scaled, ADAMW, ["optimizer"], {"sgd": 0.05, "adamw": 0.0001}).fair


def test_faster_against_cascade_is_confounded_by_size_and_batch():
    found = compare_settings(R50, CASCADE, ["detector"])
    assert keys(found) == {"batch_size", "lr_per_sample", "image_size"} and not found.fair
    assert "image size (512 against 1024)" in found.sentence
    assert keys(compare_settings(R50, CASCADE, ["detector", "image_size"])) == {
        "batch_size",
        "lr_per_sample",
    }


def test_pairs_of_the_study_that_were_fair():
    found = compare_settings(R50, R101, ["backbone"])
    assert found.fair and found.sentence.startswith("Fair: ")
    small = compare_settings(SWIN_T, SWIN_L, ["backbone"])
    assert (
        small.fair and "Both have 4 times the learning rate of the linear rule." in small.cautions
    )
    assert compare_settings(SWIN_L, study_cell("swin_l", 4, 20, size=1024), ["image_size"]).fair
    # 122 batches of 32 hold more than 975 of 4: that is rounding, not data.
    even = [study_cell("r50", batch, 15, lr=0.02 * batch / 16, images=3900) for batch in (32, 4)]
    assert keys(compare_settings(*even, ["batch_size"])) == set()
    assert compare_settings(R50, R50, ["backbone"]).sentence.startswith("Nothing to compare: ")


def test_training_on_the_whole_set_is_seen_by_its_images_and_its_overlap():
    whole = study_cell("r101", 32, 15, images=4883)
    assert keys(compare_settings(R50, whole, ["backbone"])) == {"images_an_epoch"}
    leaky = dataclasses.replace(R101, recorded={**R101.recorded, "train_val_overlap": 981})
    found = compare_settings(R50, leaky, ["backbone"])
    assert keys(found) == {"train_val_overlap"}
    assert found.topics == ("validation images in training",)
    # Shared by both it is no difference, and their scores are still no validation.
    assert keys(
        compare_settings(leaky, dataclasses.replace(leaky, name="other"), ["backbone"])
    ) == {"train_val_overlap"}
    none = dataclasses.replace(R101, recorded={**R101.recorded, "train_val_overlap": 0})
    assert compare_settings(R50, none, ["backbone"]).fair
    same_file = {
        f"{split}_dataloader": {"dataset": {"ann_file": "all.json"}} for split in ("train", "val")
    }
    assert "train_val_overlap" in keys(
        compare_settings(R50, dataclasses.replace(R101, config=same_file), ["backbone"])
    )


def test_a_commit_that_nobody_knows_is_no_commit():
    def cell(recorded, **change):
        return dataclasses.replace(recorded, recorded={**recorded.recorded, **change})

    # As recorded without git: two of them are not the same commit.
    first, second = (cell(recorded, git_commit="unknown") for recorded in (R50, R101))
    assert (
        "Not recorded for either: git_commit."
        in compare_settings(first, second, ["backbone"]).cautions
    )
    assert keys(compare_settings(R50, second, ["backbone"])) == {"git_commit"}
    first, second = (cell(recorded, code_digest="z") for recorded in (R50, second))
    assert compare_settings(first, second, ["backbone"]).fair


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"seed": 1}, "seed"),
        ({"weights": "none"}, "weights"),
        ({"data_digest": "d2"}, "data_digest"),
        ({"git_commit": "c2"}, "git_commit"),
        ({"clip_grad": 10}, "clip_grad"),
        ({"ema": 0.0002}, "ema"),
        ({"warmup_iterations": 0}, "warmup_iterations"),
        ({"amp": "bf16"}, "amp"),
        ({"scale": "miniature"}, "scale"),
        ({"optimizer": "adamw"}, "optimizer"),
        ({"versions": {"torch": "2.1.0"}}, "versions.torch"),
        ({"milestones": [3]}, "milestones"),
        ({"new_key": 1}, "new_key"),
        ({"device_batch": 2}, "device_batch"),
    ],
)
def test_each_setting_alone_confounds(change, key):
    found = compare_settings(
        R50, dataclasses.replace(R101, recorded={**R101.recorded, **change}), ["backbone"]
    )
    assert key in keys(found) and not found.fair
    assert all(one.reason and one.topic for one in found.differences)


@pytest.mark.parametrize(
    "change",
    [
        {"versions": {"torch": "2.11.0", "dvc": "1.0"}},
        {"device": "NVIDIA H100"},
        {"train_minutes": 3.0, "run_id": "x"},
        {"code_digest": "z"},
    ],
)
def test_what_cannot_change_the_result_is_harmless(change):
    a = dataclasses.replace(R50, recorded={**R50.recorded, "device": "cpu", "code_digest": "z"})
    b = dataclasses.replace(
        R101, recorded={**a.recorded, "backbone": "r101", **change, "git_commit": "c2"}
    )
    found = compare_settings(a, b, ["backbone"])
    # Another commit with the same code digest: the change was elsewhere.
    assert found.fair and "git_commit" in keys(found, "harmless")


@pytest.fixture(scope="module")
def composed() -> dict[str, Settings]:
    """Every cell of params.yaml at scale full, with its resolved config."""
    study = dataclasses.replace(params.load_study(ROOT / "params.yaml"), scale="full")
    found = {}
    for name in study.cells:
        recorded = KNOWN | training_values(name, study, {"source": "coco", "train_images": None})
        found[name] = Settings(name, recorded, compose(name, study, ["a"], "img").to_dict())
    return found


def changed(cell: Settings, path: str, value) -> Settings:
    config = copy.deepcopy(cell.config)
    *parts, last = path.split(".")
    place = config
    for part in parts:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[int(part)]
    place[last] = value
    return dataclasses.replace(cell, config=config)


def test_all_pairs_of_params_yaml_that_differ_in_one_factor_are_fair(composed):
    seen = set()
    for a, b in itertools.combinations(composed.values(), 2):
        differing = [factor for factor in FACTORS if a.recorded[factor] != b.recorded[factor]]
        found = compare_settings(a, b, differing)
        assert found.fair, found.sentence
        if len(differing) == 1:
            seen.add(differing[0])
            assert not found.cautions
        else:
            assert "put down to any single one of" in found.cautions[0]
            assert set(differing[1:]) <= keys(compare_settings(a, b, differing[:1])), (
                "an undeclared factor confounds"
            )
    assert seen == {"backbone", "neck", "optimizer", "image_size"}


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (
            "train_dataloader.dataset.pipeline.3.prob",
            0.9,
            "config.train_dataloader.dataset.pipeline[RandomFlip].prob",
        ),
        ("model.backbone.frozen_stages", 3, "config.model.backbone.frozen_stages"),
        ("model.backbone.init_cfg", None, "config.model.backbone.init_cfg.type"),
        ("model.backbone.init_cfg", None, "config.model.backbone.init_cfg.checkpoint"),
        ("model.neck.out_channels", 128, "config.model.neck.out_channels"),
        ("load_from", "coco.pth", "config.load_from"),
        ("model.neck.type", "PAFPN", "config.model.neck.type"),
        ("model.rpn_head.feat_channels", 64, "config.model.rpn_head.feat_channels"),
        ("model.roi_head.bbox_head.num_classes", 10, "config.num_classes"),
        ("brand_new", 1, "config.brand_new"),
        ("model.test_cfg.rcnn.max_per_img", 300, "config.model.test_cfg.rcnn.max_per_img"),
        (
            "optim_wrapper.optimizer.weight_decay",
            0.05,
            "config.optim_wrapper.optimizer.weight_decay",
        ),
        (
            "train_dataloader.dataset.ann_file",
            "data/prepared/all.json",
            "config.train_dataloader.dataset.ann_file",
        ),
        ("val_evaluator.metric", "segm", "config.val_evaluator.metric"),
    ],
)
def test_one_change_of_a_config_confounds(composed, path, value, key):
    a, b = (composed[f"faster_rcnn-{backbone}-fpn-sgd-512"] for backbone in ("r50", "r101"))
    assert key in keys(compare_settings(a, changed(b, path, value), ["backbone"]))


def test_what_run_json_says_is_not_told_again(composed):
    a, b = (composed[f"faster_rcnn-{backbone}-fpn-sgd-512"] for backbone in ("r50", "r101"))
    longer = dataclasses.replace(
        changed(b, "train_cfg.max_epochs", 20), recorded={**b.recorded, "epochs": 20}
    )
    assert keys(compare_settings(a, longer, ["backbone"])) == {"epochs"}
    forgotten = dataclasses.replace(longer, recorded={**longer.recorded})
    forgotten.recorded.pop("epochs")
    assert keys(compare_settings(a, forgotten, ["backbone"])) >= {
        "epochs",
        "config.train_cfg.max_epochs",
    }


def test_harmless_changes_of_a_config(composed):
    a, b = (composed[f"faster_rcnn-{backbone}-fpn-sgd-512"] for backbone in ("swin_t", "swin_l"))
    for path, value in (
        ("work_dir", "x"),
        ("train_dataloader.num_workers", 0),
        ("env_cfg.cudnn_benchmark", True),
        ("train_dataloader.dataset.ann_file", "/elsewhere/train.json"),
        ("train_dataloader.dataset.data_prefix.img", "/mnt"),
        ("val_dataloader.batch_size", 1),
        ("model.backbone.with_cp", True),
    ):
        found = compare_settings(a, changed(b, path, value), ["backbone"])
        assert found.fair and f"config.{path}" in keys(found, "harmless")
    moved = changed(b, "train_dataloader.dataset.ann_file", "/elsewhere/train.json")
    unknown = [
        dataclasses.replace(one, recorded={**one.recorded, "data_digest": ""}) for one in (a, moved)
    ]
    assert (
        not compare_settings(*unknown, ["backbone"]).fair
        and "data_digest" in compare_settings(*unknown, ["backbone"]).cautions[0]
    )


def test_passes_matter_only_to_batch_norm_that_is_trained(composed):
    swin, resnet = (composed[f"faster_rcnn-{name}-fpn-sgd-512"] for name in ("swin_t", "r50"))
    for cell, trained in (
        (swin, False),
        (resnet, False),
        (changed(resnet, "model.backbone.norm_eval", False), True),
    ):
        halved = dataclasses.replace(cell, recorded={**cell.recorded, "device_batch": 4})
        found = compare_settings(cell, halved, ["backbone"])
        assert (trains_batch_norm(cell.config), found.fair) == (trained, not trained)
    # One of the two is enough.
    mixed = dataclasses.replace(swin, recorded={**swin.recorded, "device_batch": 4})
    for pair in ((changed(resnet, "model.backbone.norm_eval", False), mixed), (mixed, resnet)):
        assert ("device_batch" in keys(compare_settings(*pair, ["backbone"]))) == (
            pair[0] is not mixed
        )
    assert trains_batch_norm(None) and trains_batch_norm({"model": {"backbone": {"type": "Novel"}}})


def test_an_inserted_transform_is_one_difference_and_an_order_another(composed):
    cell = composed["faster_rcnn-r50-fpn-sgd-512"]
    pipeline = cell.config["train_dataloader"]["dataset"]["pipeline"]
    inserted = changed(
        cell,
        "train_dataloader.dataset.pipeline",
        [*pipeline[:3], {"type": "Mosaic"}, *pipeline[3:]],
    )
    assert keys(compare_settings(cell, inserted, ["backbone"])) == {
        "config.train_dataloader.dataset.pipeline[Mosaic].type"
    }
    turned = changed(
        cell,
        "train_dataloader.dataset.pipeline",
        [*pipeline[:2], pipeline[3], pipeline[2], pipeline[4]],
    )
    assert compare_settings(cell, turned, ["backbone"]).topics == ("augmentation",)
    assert flatten({"a": [{"type": "X", "b": 1}, {"type": "X", "b": []}]}) == {
        "a[X].type": "X",
        "a[X].b": 1,
        "a[X#2].type": "X",
    }


def test_the_table_ends_with_doubt_and_gives_reasons():
    assert rule_of("anything\nat all") is RULES[-1]
    assert all(
        rule.topic and rule.reason and not (rule.harmless and rule.follows) for rule in RULES
    )


def test_what_is_not_at_hand_is_named():
    bare = Settings("bare", {"batch_size": 4, "seed": 0})
    full = Settings("full", {"batch_size": 4}, {"model": {"type": "FasterRCNN"}})
    cautions = " ".join(compare_settings(bare, full, ["batch_size"]).cautions)
    assert "The resolved config of bare is not at hand" in cautions and "of full" not in cautions
    # The seed is recorded for one of the two.
    assert "Not recorded for either: lr_per_sample," in cautions and "seed" not in cautions
    same = compare_settings(bare, Settings("other", {"batch_size": 4, "seed": 1}), ["batch_size"])
    assert same.sentence.startswith(
        "Confounded: bare and other do not differ in batch_size, but in seed"
    )


def test_other_threads_are_a_caution_and_where_weights_lie_is_nothing():
    a, b = (
        Settings(
            name,
            {**KNOWN, "threads_used": threads, "pretrained": f"data/weights/{name}.safetensors"},
        )
        for name, threads in (("a", 1), ("b", 2))
    )
    judged = compare_settings(a, b, ("backbone",))
    assert judged.fair
    assert "Trained with 1 and 2 CPU threads, which round otherwise." in judged.cautions


def test_no_version_that_decides_a_training_is_called_harmless():
    for package in provenance.PACKAGES:
        if package not in provenance.OBSERVERS:
            assert not rule_of(f"versions.{package}").harmless, package
    assert rule_of("versions.dvc").harmless


def test_each_line_of_the_table_is_of_a_rule_or_a_comment():
    rest = consequences._RULE.sub("", consequences._TABLE)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
