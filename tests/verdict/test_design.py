"""What `hypotheses` in params.yaml may say, and that anything else is one line with its place."""

from __future__ import annotations

import pytest
from stated_hypotheses import LEVELS, SIX, stated

from stages.study.strict import StudyError
from stages.verdict.design import TRAIN_LOSS, check_hypotheses
from stages.verdict.expressions import LONGEST_EXPRESSION, parse_expression

HOSTILE = [
    "__import__('os')",
    "r50 < __import__('os').system('x')",
    "r50.__class__ < r101",
    "(" * 9000 + "r50",
    "r50 < " * 40 + "r101",
    "(" * 99 + "r50" + ")" * 99,
    "-" * 190 + "1",
    "lambda: 0",
    "r50 <= r101",
    "not r50 < r101",
    "r50 < r101 or r50 < x101",
    "r50\x00 < r101",
    "",
    " \n ",
    "r50 <",
    "r50",
    "r5O < r101",
    "r50 < fpn",
    "r50 < 0.5",
    "r50 < r50",
    "r50 - r101 > 1e999",
    "r50 - r101 > x101",
    "True < r50",
    "512 < 9" + "9" * 150,
    "r50 < r101 # or",
    "r50 < '\ud800'",
    "f'{r50}' < r101",
    "r50[0] < r101",
    "{*r50} < r101",
    "(r50 := r101) < x101",
    "r50 - r101 > 2",
    "r50 < '<script>alert(1)</script>'",
    "512 < 16",
    "r50 < [r101]",
    "await r50 < r101",
    "r50 < r101; r50",
    "r50 - r101 > False",
    " and ".join(["r50 < r101"] * 16),
]


@pytest.mark.parametrize("holds", HOSTILE, ids=range(len(HOSTILE)))
def test_anything_else_is_one_line_with_its_place(holds):
    rows = [*SIX[:3], {"claim": "x", "holds": holds}]
    with pytest.raises(StudyError) as error:
        check_hypotheses(stated(*rows), LEVELS)
    message = str(error.value)
    assert (
        message.startswith("hypotheses[3].holds: ")
        and len(message.splitlines()) == 1
        and len(message) < 420
    )


def test_the_position_is_that_of_the_wrong_part():
    # Blanks count once, and a character is one whatever its bytes.
    with pytest.raises(
        StudyError, match=r"^holds: at character 14: 'resnet' is no known .*; allowed: orders"
    ):
        parse_expression("r50 <  r101 < resnet", "holds", LEVELS)
    with pytest.raises(StudyError, match=r"^holds: at character 7: 'r101\(\)' is not allowed"):
        parse_expression("'é' < r101()", "holds", LEVELS | {"backbone": ["é", "r101"]})
    with pytest.raises(StudyError, match="'r50' is a level of backbone and of neck; rename one"):
        parse_expression("r50 < r101", "holds", LEVELS | {"neck": ["r50"]})
    assert len(parse_expression("r50 < r101".ljust(LONGEST_EXPRESSION + 9), "holds", LEVELS)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claim": " "}, r"hypotheses\[0\]\.claim: empty"),
        ({"metric": "val/mAP"}, r"\[0\]\.metric: 'val/mAP' is no"),
        ({"metric": []}, r"\[0\]\.metric: empty"),
        ({"holds": {"every": "r50 < r101"}}, r"\[0\]\.holds: 'every' is no"),
        ({"holds": {"val/bbox_mAP": "r50"}}, r"\[0\]\.holds\.val/bbox_mAP: at character 1"),
        ({"holds": {}}, "empty"),
        ({"holds": {TRAIN_LOSS: "r50 < r101"}, "metric": "every"}, r"\[0\]\.metric: holds names"),
        ({"holds": {TRAIN_LOSS: "sgd - adamw > 1e999"}}, "'1e999' is not a finite number"),
        ({"where": {"backbone": "r50"}}, r"\[0\]\.where\.backbone: holds compares"),
        ({"where": {"head": "x"}}, r"\[0\]\.where\.head: no such factor"),
        ({"holds": 3}, "expected text"),
        (
            {"where": {"neck": "bifpn"}},
            r"\[0\]\.where\.neck: 'bifpn' is unknown; there are: fpn, pafpn",
        ),
        ({"where": {"image_size": "512"}}, r"\[0\]\.where\.image_size: '512' is no whole number"),
        (
            {"holds": "faster_rcnn > cascade_rcnn", "metric": "train/loss"},
            "detectors sum different terms",
        ),
    ],
)
def test_a_wrong_row_is_one_line_with_its_key(change, message):
    with pytest.raises(StudyError, match=message):
        check_hypotheses(stated(SIX[0] | {"where": {}} | change), LEVELS)


@pytest.mark.parametrize(
    ("text", "cycle"),
    [
        ("r50 < r101 < r50", {"r50", "r101"}),
        ("r50 < r101 and r50 > r101", {"r50", "r101"}),
        ("r50 < {r101} < x101 < r50", {"r50", "r101", "x101"}),
    ],
)
def test_an_order_that_contradicts_itself_is_refused_before_any_training(text, cycle):
    with pytest.raises(
        StudyError, match=r"^key: can never hold: it says [^;]+; name each"
    ) as caught:
        parse_expression(text, "key", LEVELS)
    named = str(caught.value).partition("it says ")[2].partition(";")[0].split(" < ")
    assert set(named) == cycle and named[0] == named[-1]
    # As the expression has it: each is lower than the next.
    steps = {(named[place], named[place + 1]) for place in range(len(cycle))}
    assert ("r50", "r101") in steps


def test_a_set_between_a_level_and_itself_is_refused():
    with pytest.raises(StudyError, match=r"^key: can never hold: it says "):
        parse_expression("r50 < {r101, x101} < r50", "key", LEVELS)


def test_levels_between_two_others_may_be_named_by_both():
    assert len(parse_expression("r50 < r101 > x101 and r50 < x101", "key", LEVELS)) == 3
