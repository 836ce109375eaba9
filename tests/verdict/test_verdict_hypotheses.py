"""Hypotheses as data: the language, the study's six claims against fitting and contrary numbers, hostile text."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from scipy.stats import norm
from stated_hypotheses import LEVELS, SIX, compared, stated

from stages.study.schema import FACTORS
from stages.study.strict import StudyError
from stages.verdict.design import EVERY, TRAIN_LOSS, Trained, check_hypotheses
from stages.verdict.estimates import Estimate
from stages.verdict.expressions import parse_expression
from stages.verdict.hypotheses import expected_false_alarms, judge
from stages.verdict.settings import Settings

# Of a normal variable, for 95 %.
Z = 1.959964
# The study's val mAP50 and train losses; mAP_s, mAP and the follow-ups are made up to fit its claims.
SCORES = {
    ("r50", "fpn", "sgd", 512): (0.396, 0.3672),
    ("r101", "fpn", "sgd", 512): (0.407, 0.3565),
    ("x101", "fpn", "sgd", 512): (0.439, 0.35),
    ("swin_t", "fpn", "sgd", 512): (0.447, 0.4586),
    ("swin_l", "fpn", "sgd", 512): (0.514, 0.4154),
    ("swin_l", "pafpn", "sgd", 512): (0.52, 0.41),
    ("swin_l", "fpn", "sgd", 1024): (0.56, 0.40),
    ("swin_l", "fpn", "adamw", 512): (0.55, 0.30),
}


def trained(repeats: int = 1) -> dict[str, Trained]:
    cells = [(("faster_rcnn", *rest), score, loss) for rest, (score, loss) in SCORES.items()]
    cells += [
        (("cascade_rcnn", backbone, "fpn", "sgd", 1024), score, 0.5)
        for backbone, score in (("r50", 0.44), ("r101", 0.47), ("x101", 0.485))
    ]
    return {
        "-".join(map(str, row)): Trained(
            "-".join(map(str, row)),
            dict(zip(FACTORS, row, strict=True)),
            {**dict.fromkeys(EVERY, score), TRAIN_LOSS: loss},
            "run" + str(i),
            repeats,
        )
        for i, (row, score, loss) in enumerate(cells)
    }


def of(difference: float, half: float, bias: float = 0.0) -> Estimate:
    """A difference with its 95 % interval of +- half."""
    centre = difference - bias
    return Estimate(
        difference,
        centre - half,
        centre + half,
        half / Z,
        bias,
        0.0,
        0.0,
        1e9,
        999,
        200,
        1,
        (1, 1),
        False,
    )


def bootstrap(cells: dict[str, Trained], half: float = 0.005):
    """Differences of the values, whose 95 % interval is +- half."""

    def estimate(a: str, b: str, metric: str) -> Estimate:
        return of(cells[a].values[metric] - cells[b].values[metric], half)

    return estimate


def outcomes(rows, cells, half: float = 0.005, **given) -> list[str]:
    return [
        one.outcome
        for one in judge(stated(*rows), cells.values(), LEVELS, bootstrap(cells, half), **given)
    ]


def with_score(
    cells, name: str, score: float | None, metric: str = "val/bbox_mAP_50"
) -> dict[str, Trained]:
    return cells | {name: replace(cells[name], values={**cells[name].values, metric: score})}


def test_the_six_come_out_supported_where_every_verdict_agrees():
    assert outcomes(SIX, trained(repeats=2)) == ["supported"] * 6


def test_one_training_each_cannot_decide_a_loss():
    finding = judge(stated(SIX[5]), trained().values(), LEVELS, bootstrap(trained()))[0]
    assert finding.outcome == "undecided" and [one.outcome for one in finding.evidence] == [
        "undecided",
        "supported",
    ]
    assert "train/loss is 0.415 with sgd and 0.300 with adamw" in finding.sentence
    assert "one training each shows no chance variation" in finding.sentence


def test_contrary_numbers_are_rejected_and_said_so():
    cells = with_score(trained(2), "faster_rcnn-r101-fpn-sgd-512", 0.35)
    first, *_, last = judge(stated(*SIX), cells.values(), LEVELS, bootstrap(cells))
    assert first.outcome == "rejected" and last.outcome == "supported"
    assert first.sentence == (
        'Rejected: "More parameters raise mAP". val/bbox_mAP_50 is 0.350 with r101 and 0.396 with r50 (faster_rcnn, '
        "fpn, sgd, 512), a difference of -0.046, 95 % interval -0.051 to -0.041, p < 0.001."
    )
    assert compared(first) == {
        f"faster_rcnn-{backbone}-fpn-sgd-512": f"run{number}"
        for number, backbone in enumerate(("r50", "r101", "x101"))
    }
    worse_loss = with_score(trained(2), "faster_rcnn-swin_l-fpn-adamw-512", 0.9, TRAIN_LOSS)
    assert outcomes([SIX[5]], worse_loss) == ["rejected"]


def undertrained(score: float, loss: float) -> str:
    """The sentence on 1024 against 512 pixels, with this score and loss of the former."""
    cells = with_score(trained(), LARGE, score)
    cells = with_score(cells, LARGE, loss, TRAIN_LOSS)
    row = {**SIX[3], "metric": "val/bbox_mAP_50"}
    return judge(stated(row), cells.values(), LEVELS, bootstrap(cells))[0].sentence


LARGE = "faster_rcnn-swin_l-fpn-sgd-1024"
UNDERTRAINED = "It may be undertrained rather than worse"


def test_a_larger_cell_that_fits_no_better_is_called_undertrained():
    said = undertrained(score=0.4, loss=0.5)
    assert said.startswith("Rejected") and UNDERTRAINED in said
    assert "its train loss is no lower (0.500 with 1024 against 0.415 with 512)" in said
    assert UNDERTRAINED in undertrained(score=0.4, loss=0.42)
    # What fits better and scores lower has overfitted, and what scores higher needs no excuse.
    assert UNDERTRAINED not in undertrained(score=0.4, loss=0.3)
    assert UNDERTRAINED not in undertrained(score=0.6, loss=0.5)
    assert UNDERTRAINED not in undertrained(score=0.4, loss=float("nan"))


def test_the_larger_of_two_backbones_is_that_of_more_parameters():
    cells = with_score(trained(), "faster_rcnn-r101-fpn-sgd-512", 0.35)
    cells = with_score(cells, "faster_rcnn-r101-fpn-sgd-512", 0.5, TRAIN_LOSS)

    def said(**parameters: int) -> str:
        sized = dict(cells)
        for backbone, number in parameters.items():
            name = f"faster_rcnn-{backbone}-fpn-sgd-512"
            sized[name] = replace(cells[name], parameters=number)
        return judge(stated(SIX[0]), sized.values(), LEVELS, bootstrap(sized))[0].sentence

    assert "(0.500 with r101 against 0.367 with r50)" in said(r50=25, r101=44, x101=44)
    assert UNDERTRAINED not in said(r50=44, r101=25)
    assert UNDERTRAINED not in said(r50=25)


def test_a_small_difference_is_undecided_whatever_its_sign():
    cells = trained(2)
    assert outcomes(SIX[:1], cells, half=0.02) == ["undecided"]
    finding = judge(stated(SIX[0]), cells.values(), LEVELS, bootstrap(cells, 0.02))[0]
    assert (
        "a difference of +0.011, 95 % interval -0.009 to +0.031, p = 0.281: the two cannot be"
        in finding.sentence
    )
    assert finding.sentence.endswith("Taken alone, the numbers agree with it.")
    fallen = with_score(cells, "faster_rcnn-r101-fpn-sgd-512", 0.39)
    assert (
        "contradict it in 1 of 2 comparisons"
        in judge(stated(SIX[0]), fallen.values(), LEVELS)[0].sentence
    )


def test_every_map_needs_every_map():
    row = {"claim": "Every mAP rose", "holds": "swin_t < swin_l", "metric": "every"}
    assert outcomes([row], trained()) == ["supported"]
    # The study's own chart: mAP_m fell from .054 to .038.
    cells = with_score(
        with_score(trained(), "faster_rcnn-swin_t-fpn-sgd-512", 0.054, "val/bbox_mAP_m"),
        "faster_rcnn-swin_l-fpn-sgd-512",
        0.038,
        "val/bbox_mAP_m",
    )
    finding = judge(stated(row), cells.values(), LEVELS, bootstrap(cells))[0]
    assert (
        finding.outcome == "rejected"
        and "val/bbox_mAP_m is 0.038 with swin_l and 0.054" in finding.sentence
    )
    assert finding.sentence.count("interval") == 1


def test_thin_groups_are_barred_from_deciding():
    finding = judge(
        stated(SIX[3]),
        trained().values(),
        LEVELS,
        bootstrap(trained()),
        thin={"val/bbox_mAP_s": 68},
    )[0]
    assert finding.outcome == "undecided" and "68 boxes are too few to decide" in finding.sentence


@pytest.mark.parametrize(
    ("holds", "outcome"),
    [
        ("swin_l - swin_t > 0.02", "supported"),
        ("swin_l - swin_t > 0.07", "undecided"),
        ("swin_l - swin_t > 0.08", "rejected"),
        ("swin_l - swin_t < 0.08", "supported"),
        ("swin_l - swin_t < 0.066", "undecided"),
        ("0.02 > swin_l - swin_t", "rejected"),
        ("-0.01 < pafpn - fpn < 0.02", "supported"),
        ("-0.01 < pafpn - fpn < 0.005", "undecided"),
        ("swin_t > r50 and fpn < pafpn", "supported"),
        ("swin_t < r50 and fpn < pafpn", "rejected"),
        ("{r50, swin_l} < swin_t", "rejected"),
    ],
)
def test_differences_bounds_and_parts(holds, outcome):
    assert outcomes([{"claim": "x", "holds": holds, "where": {"image_size": 512}}], trained()) == [
        outcome
    ]


def differences(**of_pairs: float):
    """Estimates with an error of .01 and these differences, such as r50_r101=-0.03."""

    def estimate(a: str, b: str, metric: str) -> Estimate:
        first, second = (name.split("-")[1] for name in (a, b))
        return of(of_pairs[f"{first}_{second}"], 0.01 * Z)

    return estimate


def test_support_needs_no_correction_and_a_rejection_has_that_of_its_own_comparisons():
    """p of 2.2 errors is .028: below .05, and not after a correction for two comparisons."""
    cells = trained()
    # The values are not looked at beside whether there are any; what is judged are the estimates.
    for r50_r101, r101_x101, outcome in (
        (-0.022, -0.022, "supported"),
        (-0.022, -0.019, "undecided"),
        (0.022, -0.019, "undecided"),
        (0.023, -0.019, "rejected"),
        (0.022, -0.03, "rejected"),
    ):
        finding = judge(
            stated(SIX[0]),
            cells.values(),
            LEVELS,
            differences(r50_r101=r50_r101, r101_x101=r101_x101),
        )[0]
        assert finding.outcome == outcome, (r50_r101, r101_x101)
    alone = stated({"claim": "x", "holds": "r50 < r101", "where": {"detector": "faster_rcnn"}})
    assert (
        judge(alone, cells.values(), LEVELS, differences(r50_r101=0.022))[0].outcome == "rejected"
    )


@pytest.mark.parametrize(
    "first", [-0.04, -0.022, -0.019, 0.0, 0.019, 0.0215, 0.022, 0.023, 0.03, 0.05]
)
def test_the_interval_holds_the_bound_exactly_where_a_comparison_decides_nothing(first):
    finding = judge(
        stated(SIX[0]), trained().values(), LEVELS, differences(r50_r101=first, r101_x101=-0.03)
    )[0]
    one = finding.evidence[0].verdict
    assert (one.low <= 0 <= one.high) == (finding.evidence[0].outcome == "undecided")
    # p of r101 against x101 is .003: the smaller one is corrected for two comparisons, on the contrary side alone.
    assert one.comparisons == (2 if first >= 0.03 else 1)
    assert one.low < first < one.high


def test_a_bound_is_tested_against_itself():
    claim = stated(
        {"claim": "x", "holds": "r101 - r50 > 0.02", "where": {"detector": "faster_rcnn"}}
    )
    for difference, outcome in (
        (0.041, "supported"),
        (0.039, "undecided"),
        (0.001, "undecided"),
        (-0.001, "rejected"),
    ):
        finding = judge(claim, trained().values(), LEVELS, differences(r101_r50=difference))[0]
        assert finding.outcome == outcome
        assert finding.evidence[0].verdict.p == pytest.approx(
            2 * norm.sf(abs(difference - 0.02) / 0.01), rel=1e-3
        )


def test_a_bias_that_carries_a_value_across_the_bound_decides_nothing():
    """.001 with a bias of .05: the centre lies at -.049, five errors below 0, and the page prints +0.001."""
    claim = stated({"claim": "x", "holds": "r101 < r50", "where": {"detector": "faster_rcnn"}})
    one = judge(claim, trained().values(), LEVELS, lambda *_: of(0.001, 0.02, bias=0.05))[
        0
    ].evidence[0]
    assert (
        one.outcome == "undecided"
        and one.verdict.p < 0.001
        and one.verdict.low < 0 < one.verdict.high
    )


def test_false_alarms_are_expected_of_what_was_tested():
    cells = trained()
    assert expected_false_alarms(
        judge(stated(*SIX), cells.values(), LEVELS, bootstrap(cells))
    ) == pytest.approx(0.3)
    assert expected_false_alarms(judge(stated(*SIX), cells.values(), LEVELS)) == 0


def test_without_cells_it_says_which_row_is_missing():
    cells = {name: cell for name, cell in trained().items() if "pafpn" not in name}
    finding = judge(stated(SIX[4]), cells.values(), LEVELS, bootstrap(cells))[0]
    assert (finding.outcome, finding.evidence) == ("undecided", ())
    assert (
        "No cell is trained for" in finding.sentence
        and "faster_rcnn, swin_l, pafpn, sgd, 512" in finding.sentence
    )
    assert judge(stated(SIX[4]), [], LEVELS)[0].missing == (
        "faster_rcnn, fpn",
        "faster_rcnn, pafpn",
    )
    # Half of an order is no support; a contrary pair decides, also where another row is missing.
    half = {name: cell for name, cell in trained().items() if "x101" not in name}
    assert outcomes(SIX[:1], half) == ["undecided"]
    assert outcomes(SIX[:1], with_score(half, "faster_rcnn-r101-fpn-sgd-512", 0.3)) == ["rejected"]


def test_all_pairs_must_hold_and_only_one_factor_differs():
    cells = trained()
    extra = Trained(
        "extra",
        dict(cells["faster_rcnn-swin_l-fpn-sgd-1024"].row, neck="pafpn"),
        {"val/bbox_mAP": 0.1},
    )
    finding = judge(
        stated(SIX[4]), [*cells.values(), extra], LEVELS, bootstrap(cells | {"extra": extra})
    )[0]
    assert finding.outcome == "rejected" and len(finding.evidence) == 2
    for one in finding.evidence:
        assert [factor for factor in FACTORS if one.left.row[factor] != one.right.row[factor]] == [
            "neck"
        ]


@pytest.mark.parametrize("score", [None, float("nan")])
def test_what_was_not_measured_decides_nothing(score):
    cells = with_score(trained(), "faster_rcnn-r50-fpn-sgd-512", score)
    finding = judge(stated(SIX[0]), cells.values(), LEVELS, lambda *_: of(-0.9, 0.01))[0]
    assert finding.outcome == "undecided"
    assert "val/bbox_mAP_50 is 0.407 with r101 and n/a with r50" in finding.sentence
    assert finding.sentence.endswith("there is nothing to measure.")


def test_no_verdicts_no_decision_and_confounders_are_said():
    from stages.verdict.fairness import compare_settings

    fairness = {}
    for a, b in permutations(trained(), 2):
        fairness[a, b] = compare_settings(
            Settings(a, {"backbone": a, "batch_size": 32}),
            Settings(b, {"backbone": b, "batch_size": 4}),
            ["backbone"],
        )
    finding = judge(stated(SIX[0]), trained().values(), LEVELS, None, fairness)[0]
    assert finding.outcome == "undecided" and finding.confounded
    assert "Confounded: 2 of 2 pairs of cells also differ in batch size." in finding.sentence


def with_shares(*shares: float) -> dict[str, Trained]:
    """The cells of trained(), and R50 and R101 on these shares of the training images."""
    cells = trained()
    for backbone in ("r50", "r101"):
        whole = cells[f"faster_rcnn-{backbone}-fpn-sgd-512"]
        for share in shares:
            name = f"{whole.name}-{share}"
            values = {
                **whole.values,
                "val/bbox_mAP_50": whole.values["val/bbox_mAP_50"] * share**0.5,
            }
            cells[name] = Trained(name, {**whole.row, "train_share": share}, values)
    return cells


def test_a_share_of_the_images_is_a_factor():
    cells = with_shares(0.25, 0.5)
    claim = {
        "claim": "Twice the images raise mAP",
        "holds": "0.25 < 0.5 < 1.0",
        "where": {"backbone": "r50", "image_size": 512},
    }
    finding = judge(stated(claim), cells.values(), LEVELS, bootstrap(cells))[0]
    assert finding.outcome == "supported" and tuple(compared(finding)) == (
        "faster_rcnn-r50-fpn-sgd-512-0.25",
        "faster_rcnn-r50-fpn-sgd-512-0.5",
        "faster_rcnn-r50-fpn-sgd-512",
    )
    assert (
        "is 0.280 with train_share 0.5 and 0.198 with train_share 0.25 (faster_rcnn, r50, fpn"
        in finding.sentence
    )
    assert outcomes([claim | {"holds": "1 < 0.5"}], cells) == ["rejected"]
    assert outcomes([claim | {"holds": "1.0 - 0.5 > 0.05"}], cells) == ["supported"]
    finding = judge(stated(claim | {"holds": "0.75 < 1.0"}), cells.values(), LEVELS)[0]
    assert finding.missing == ("faster_rcnn, r50, fpn, sgd, 512, train_share 0.75",)
    assert judge(stated(claim | {"where": {}}), [], LEVELS)[0].missing[-1] == "train_share 1"
    with pytest.raises(
        StudyError, match=r"'r50' is a level of backbone and '0\.5' one of train_share"
    ):
        parse_expression("0.5 < r50", "holds", LEVELS)
    with pytest.raises(
        StudyError, match=r"'1\.5' is no image size and no train_share; a bound needs a difference"
    ):
        parse_expression("1.5 < 0.5", "holds", LEVELS)
    with pytest.raises(
        StudyError, match=r"where\.train_share: 2 is no share above 0 and up to 1\.0"
    ):
        check_hypotheses(stated(SIX[0] | {"where": {"train_share": 2}}), LEVELS)


def test_cells_are_compared_at_the_same_share():
    cells = with_shares(0.5)
    claim = SIX[0] | {"holds": "r50 < r101", "where": {"image_size": 512}}
    finding = judge(stated(claim), cells.values(), LEVELS, bootstrap(cells))[0]
    assert [
        (one.left.level("train_share"), one.right.level("train_share")) for one in finding.evidence
    ] == [(1.0, 1.0), (0.5, 0.5)]
    whole = judge(
        stated(claim | {"where": {"image_size": 512, "train_share": 1}}), cells.values(), LEVELS
    )[0]
    assert [one.left.level("train_share") for one in whole.evidence] == [1.0]


def test_hostile_cell_names_stay_text():
    name = "<script>alert('x')</script>\n\u202e" + "x" * 300
    cells = {key: replace(cell, name=key + name) for key, cell in trained().items()}
    found = judge(stated(SIX[0] | {"claim": "a\nb <b>"}), cells.values(), LEVELS)[0]
    assert (
        "\n" not in found.sentence
        and '"a b <b>"' in found.sentence
        and all(name in cell for cell in compared(found))
    )
