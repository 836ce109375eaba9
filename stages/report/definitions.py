"""What the words of the report mean, with the numbers that were used."""

from __future__ import annotations

from stages.report.table import label_of
from stages.verdict.estimates import ALPHA, POWER
from stages.verdict.judgement import Judgement

AGAINST = "against the best"
PARETO = "Pareto front, dominated"


def terms(judgement: Judgement) -> list[tuple[str, str]]:
    metric = label_of(judgement.metric)
    pairs = len(judgement.pairs.get(judgement.metric, ()))
    return [
        (
            "95 % interval",
            "From replicates of the split with images drawn anew (paired bootstrap: the same draws "
            "for all cells), corrected for bias; with several seeds or folds also from these.",
        ),
        (
            AGAINST,
            f"{metric} less that of the cell of highest score. The intervals of all cells hold "
            "together with a probability of 95 % (Dunnett 1955). Worse: the interval lies below 0. "
            f"As good: it lies above the margin, -{judgement.margin:g}. Undecided: neither.",
        ),
        (
            "margin",
            f"The loss in {metric} that is accepted for a lower cost: verdicts.margin in "
            f"params.yaml, {judgement.margin:g}.",
        ),
        (
            "the choice",
            "The cheapest cell that is shown to lose no more than the margin against whichever cell "
            "is really the best (simultaneous bounds of 95 %, Hsu 1984). Where none is shown to, the "
            "cell of highest score.",
        ),
        (
            "P(best), expected loss",
            "In how many of the replicates the cell is the best, and how much it loses on average "
            "against the best of each replicate.",
        ),
        ("good cells", "The cells that no interval shows to be worse than the best."),
        (
            "better, worse, not distinguishable",
            f"Of two cells: a difference counts where its two-sided p is under {ALPHA:g} after Holm's "
            f"correction over all {pairs} pairs, and the interval is drawn at that level. No class "
            "or size with under 100 boxes decides anything.",
        ),
        (
            "supported, rejected, undecided",
            "The comparisons of a hypothesis are a family of their own. Supported: each of them alone "
            f"is significant at {ALPHA:g} in the claimed direction (Berger 1982). Rejected: one of "
            "them is significant in the other direction, corrected for their number (Holm 1979).",
        ),
        (
            "would be decided by",
            f"As many images, or repeats, as would decide it in {POWER:.0%} of cases if the "
            "difference is what was observed.",
        ),
        (
            "confounded",
            "The two cells also differ in a setting that their comparison is not about and that can "
            "change a score, or of which nobody knows whether it differs.",
        ),
        (
            PARETO,
            "A cell is dominated where another one is as good or better in the score and in every "
            "measured cost, and better in one. The others are the Pareto front.",
        ),
    ]
