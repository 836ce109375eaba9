"""The report as a page: it stands alone, hostile names stay text, curves follow the history."""

from __future__ import annotations

import csv
import dataclasses
import re

import pytest
from report_cells import EPOCHS, NAMES, STEPS, Page, load_all, rendered, report
from report_judgements import judged

from stages.report.curves import EMPTY, Panel, grouped_means, running_mean
from stages.report.shown_cells import page_cells
from stages.report.texts import escape
from stages.results.files import Series
from stages.study.params import Hypothesis


@pytest.fixture
def cells(tmp_path):
    return load_all(tmp_path)


def test_a_class_without_boxes_is_not_zero(cells, tmp_path):
    files = report(cells, tmp_path / "reports")
    assert re.search(r"^\| Battery \| n/a \| 0 \| 0\.000 \| 7 \|", files["report.md"], re.MULTILINE)
    titles = [
        attributes.get("title") or ""
        for tag, attributes in Page(files["index.html"]).elements
        if tag == "td"
    ]
    assert f"Battery, {NAMES[0]}\nval AP50 = n/a, 0 boxes\nrun run0abcdef" in titles
    assert f"Battery, {NAMES[0]}\ntest AP50 = 0.0, 7 boxes\nrun run0abcdef" in titles


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)> 'q'",
    "셀-종이팩",
    "L" * 300,
    "a|b`c*d\n[x](http://x.example)",
]


def test_hostile_names_stay_text(cells, tmp_path):
    renamed = []
    for cell, name in zip(cells, HOSTILE, strict=False):
        classes = {
            split: tuple(
                dataclasses.replace(score, name=text) for score, text in zip(scores, HOSTILE)
            )
            for split, scores in cell.per_class.items()
        }
        row = cell.row | {"backbone": name, "detector": name}
        renamed.append(
            dataclasses.replace(cell, name=name, row=row, per_class=classes, run={"run_id": name})
        )
    data = {
        "source": HOSTILE[0],
        "digest": HOSTILE[1],
        "splits": {HOSTILE[1]: {"classes": {HOSTILE[0]: 3}}},
    }
    stated = [Hypothesis(name, "r50 < swin_l") for name in HOSTILE]
    judgement = judged(
        renamed, stated=stated, holes={HOSTILE[0]: HOSTILE[1]}, holds=False, why=HOSTILE[1]
    )
    files = rendered(
        renamed,
        tmp_path,
        judgement,
        listed=HOSTILE,
        data=data,
        selection={"backbone": HOSTILE[1], "neck": HOSTILE[0]},
    )
    page = Page(files["index.html"])
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [tag for tag, attributes in page.elements if tag == "img" or "onerror" in attributes]
    assert all(" ".join(name.split()) in page.text for name in HOSTILE[:4])
    markdown = files["report.md"]
    assert "<script" not in markdown and "<img" not in markdown and "&lt;script&gt;" in markdown
    assert [row["cell"] for row in csv.DictReader(files["compare.csv"].splitlines())] == HOSTILE[:4]
    assert escape(HOSTILE[4]) == r"a\|b\`c\*d \[x\](http:\//x.example)"
    assert escape("faster_rcnn-swin_l _x_") == r"faster_rcnn-swin_l \_x\_"


def test_the_page_loads_nothing(cells, tmp_path):
    html = report(cells, tmp_path / "reports")["index.html"]
    page = Page(html)
    loading = {"src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"}
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for key in loading & attributes.keys():
            assert str(attributes[key]).startswith(("#", "data:image/")), (tag, attributes)
    assert "http://" not in html and "https://" not in html and "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {f"#frame{n}" for n in range(1, 8)}
    assert len(html) < 2_000_000


def looks(cells):
    return {name: cell.look for name, cell in page_cells(cells, judged(cells)).items()}


def test_a_backbone_keeps_its_colour_and_variants_differ(cells):
    every, picked = looks(cells), looks(cells[1:3])
    assert every[NAMES[1]].colour == every[NAMES[2]].colour == picked[NAMES[1]].colour
    assert every[NAMES[0]].colour == every[NAMES[3]].colour != every[NAMES[1]].colour
    assert (
        every[NAMES[1]].dash != every[NAMES[2]].dash
        and every[NAMES[1]].marker != every[NAMES[2]].marker
    )


def test_a_diverging_cell_does_not_flatten_the_others(cells):
    wild = Series(tuple(range(1, 13)), (3.0,) * 6 + (1e9,) * 6)
    wild_cell = dataclasses.replace(cells[0], history=cells[0].history | {"train/loss": wild})
    panel = Panel("train/loss", page_cells([wild_cell, *cells[1:]], judged(cells)).values())
    assert panel.top < 100 and panel.cut == [NAMES[0]]
    assert Panel("train/loss", page_cells(cells, judged(cells)).values()).cut == []


def test_a_curve_without_any_value_is_named(cells):
    never = dataclasses.replace(cells[0], history=cells[0].history | {"val/bbox_mAP_50": EMPTY})
    page = page_cells([never, *cells[1:]], judged(cells))
    panel = Panel("val/bbox_mAP_50", page.values())
    assert panel.empty == [page[NAMES[0]].short] and len(panel.lines) == len(cells) - 1


def test_the_loss_curve_ends_at_the_train_loss_of_the_table(cells):
    for cell in cells:
        smooth = running_mean(cell.history["train/loss"], cell.epoch_steps)
        assert smooth.values[-1] == pytest.approx(cell.train_loss, rel=1e-12)
        assert len(smooth.values) == EPOCHS * STEPS


def test_thinning_keeps_the_mean_and_the_last_step():
    series = Series(tuple(range(1, 101)), tuple(float(n) for n in range(100)))
    thin = grouped_means(series, 10)
    assert len(thin.steps) == 10 and thin.steps[-1] == 100
    assert sum(thin.values) / 10 == pytest.approx(49.5)
