"""The fit of score against training images, put to studies of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from stated_hypotheses import compared

from stages.verdict.learning_curve import fit

TRUTH = (0.62, 2.4, 0.42)


def truth(images):
    a, b, c = TRUTH
    return a - b * np.asarray(images, dtype=float) ** -c


def study(
    images, rng, own: float = 0.004, common: float = 0.02, replicates: int = 400
) -> list[np.ndarray]:
    """Scores of a val split: an error that all cells share, one of each cell, and replicates of the same spread."""
    shape = (len(images), 1)
    measured = truth(images)[:, None] + rng.normal(0, common) + rng.normal(0, own, shape)
    errors = rng.normal(0, common, replicates) + rng.normal(0, own, (len(images), replicates))
    return list(np.hstack([measured, measured + errors]))


def test_an_exact_law_is_found_again():
    images = [500, 1000, 2000, 4000]
    scores = [np.full(50, score) for score in truth(images)]
    curve = fit(images[::-1], scores[::-1])
    assert curve.law == "power" and curve.images == tuple(images)
    assert curve.parameters == pytest.approx(TRUTH, rel=0.15)
    assert curve.doubled.images == 8000
    assert curve.doubled.value == pytest.approx(truth(8000) - truth(4000), abs=0.001)
    assert curve.at(1000) == pytest.approx(truth(1000), abs=0.001)


def test_two_shares_make_a_line_in_the_logarithm():
    curve = fit([1000, 4000], [np.full(50, 0.3), np.full(50, 0.5)])
    assert (curve.law, curve.parameters[2]) == ("line", None)
    assert curve.doubled.value == pytest.approx(0.1) and curve.at(2000) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="needs two numbers of images"):
        fit([1000, 1000], [np.full(5, 0.3)] * 2)


@pytest.mark.parametrize("images", [[500, 1000, 2000, 4000], [250, 500, 1000, 2000, 4000]])
def test_the_interval_holds_the_true_gain_of_a_doubling(images):
    rng = np.random.default_rng(5)
    true = truth(2 * images[-1]) - truth(images[-1])
    curves = [fit(images, study(images, rng)) for _ in range(150)]
    covered = np.mean([curve.doubled.low <= true <= curve.doubled.high for curve in curves])
    assert covered >= 0.9, covered
    # The error that all cells share drops out: an interval is far narrower than it.
    assert np.median([curve.doubled.high - curve.doubled.low for curve in curves]) < 0.03
    assert np.mean([curve.doubled.useless for curve in curves]) < 0.05


def test_scores_that_say_nothing_are_not_extrapolated():
    rng = np.random.default_rng(6)
    images = [3000, 3500, 4000]
    curves = [fit(images, study(images, rng, own=0.02)) for _ in range(20)]
    assert np.mean([curve.doubled.useless for curve in curves]) > 0.8


def test_a_falling_score_promises_nothing():
    curve = fit([500, 1000, 2000], [np.full(50, score) for score in (0.5, 0.4, 0.3)])
    assert curve.doubled.value == 0


def test_rows_that_differ_in_their_share_are_a_curve_beside_another_backbone(tmp_path):
    from made_matrix import load, row, study_of, write_cell, write_truth

    from stages.study.params import Hypothesis
    from stages.verdict.matrix import conclude

    cells = {
        "quarter": row("r50", train_share=0.25),
        "half": row("r50", train_share=0.5, epochs=6),
        "whole": row("r50"),
        "bigger": row("r101"),
        "pafpn": row("r50", neck="pafpn"),
    }
    made = {
        "quarter": (60, 0.4),
        "half": (120, 0.6),
        "whole": (240, 0.75),
        "bigger": (240, 0.95),
        "pafpn": (240, 0.9),
    }
    for split in ("val", "test"):
        write_truth(tmp_path, split)
    for number, (name, (images, quality)) in enumerate(made.items()):
        write_cell(
            tmp_path,
            name,
            cells[name],
            quality,
            seed=number,
            run={"train_images": images, "train_share": cells[name].train_share},
        )
    claim = Hypothesis("Images help", "0.25 < 1.0")
    judgement = conclude(study_of(cells, [claim]), load(tmp_path, cells), root=tmp_path)
    [finding] = judgement.findings
    assert (finding.outcome, tuple(compared(finding))) == (
        "supported",
        ("quarter", "whole"),
    ) and not finding.confounded
    [found] = judgement.shares
    assert found.cells == ("quarter", "half", "whole") and found.curve.images == (60, 120, 240)
    assert found.curve.doubled.low > 0 and found.curve.law == "power"
    assert (found.backbone.first, found.backbone.second) == ("bigger", "whole")
    assert found.sentence.startswith(
        "whole: twice its 240 training images are expected to give +0."
    )
    assert "by a power law through 3 shares; r101 instead of r50 gives +0." in found.sentence
    del cells["half"], cells["bigger"]
    [line] = conclude(study_of(cells), load(tmp_path, cells), root=tmp_path).shares
    assert line.curve.law == "line" and "two points cannot show how the gain falls" in line.sentence
    assert line.backbone is None and line.sentence.endswith(
        "as many epochs, and a smaller one fewer steps."
    )


def test_the_band_is_the_law_with_the_interval_of_the_scores():
    images = [500, 1000, 2000, 4000]
    curve = fit(images, study(images, np.random.default_rng(7), own=0.002, replicates=2000))
    numbers, low, high = np.array(curve.band).T
    assert (numbers[0], numbers[-1]) == pytest.approx((500, 8000))
    laws = [curve.at(number) for number in numbers]
    assert (low <= laws).all() and (laws <= high).all()
    # Nearly all of the spread is common to the shares: 2 x 1.96 times its .02 at each of them.
    assert (high - low)[0] == pytest.approx(0.0784, rel=0.1)
    # Replicates that are too high by something say that the score is.
    raised = [np.r_[0.3 + 0.1 * place, np.full(50, 0.32 + 0.1 * place)] for place in range(2)]
    _, lowest, highest = fit([1000, 2000], raised).band[0]
    assert (lowest, highest) == pytest.approx((0.28, 0.3))
