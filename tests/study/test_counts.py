"""A number and its noun: no "1 cells", whatever the plural."""

from __future__ import annotations

import pytest

from stages.data import catalogue
from stages.study.counts import count, form


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("cells", "1 cell"),
        ("boxes", "1 box"),
        ("classes", "1 class"),
        ("entries of params and tags", "1 entry of params and tags"),
        ("pairs of images", "1 pair of images"),
    ],
)
def test_a_single_one_is_no_plural(plural, singular):
    assert count(1, plural) == singular
    assert count(0, plural) == f"0 {plural}"
    assert count(12345, plural) == f"12,345 {plural}"


def test_every_unit_of_the_catalogue_has_a_singular():
    for check in catalogue.CHECKS.values():
        assert count(1, check.unit).removeprefix("1 ") != check.unit, check.code


def test_a_verb_follows_its_number():
    assert (form(1, "was", "were"), form(0, "was", "were")) == ("was", "were")
