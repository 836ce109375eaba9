"""The pages for people: what they link to is there, and README stays a page to read."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)|<img src=\"([^\"]+)\"")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    missing = []
    for link, image in LINK.findall(text):
        target = link or image
        if not target.startswith("http") and not (page.parent / target).exists():
            missing.append(target)
    assert not missing


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert len(names) > 5
    assert {name for name in names if f"({name})" not in index} == set()


def test_readme_is_a_page_to_read():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
