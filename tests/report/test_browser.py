"""The report in a headless browser: no console error, no sideways overflow, no label upon another, wide and narrow."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import report_cells
import share_matrix
import yaml
from report_judgements import judged

from stages.results.cell import MeasuredCosts
from stages.study.params import ROOT, Hypothesis

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
WIDTHS = (1400, 390)
# A frame has any width; a window of the browser has at least 500 pixels.
PROBE = """<!doctype html><body>%s<pre id="found"></pre><script>
const inside = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement, now = found[frame.width] = {labels: 0};
    page.querySelectorAll("details").forEach((one) => { one.open = true; });
    now.overflow = root.scrollWidth - root.clientWidth;
    now.tabs = page.querySelectorAll("#pareto input").length;
    now.shown = [];
    now.hidden = [];
    now.clashes = [];
    for (const input of page.querySelectorAll(".choose > input")) {
      input.click();
      now.overflow = Math.max(now.overflow, root.scrollWidth - root.clientWidth);
      const tabs = [...input.parentElement.querySelectorAll(":scope > .tab")].filter((tab) => tab.offsetHeight);
      now.shown.push(tabs.length);
      for (const svg of tabs.flatMap((tab) => [...tab.querySelectorAll("svg")]).filter((svg) => svg.clientHeight)) {
        const labels = [...svg.querySelectorAll(".point text")], frame = svg.getBoundingClientRect();
        const boxes = labels.map((label) => label.getBoundingClientRect());
        now.labels = Math.max(now.labels, boxes.length);
        boxes.forEach((box, i) => {
          if (box.left < frame.left - 1 || box.right > frame.right + 1) now.hidden.push(labels[i].textContent);
          boxes.slice(0, i).forEach((other, j) => {
            if (inside(box, other)) now.clashes.push([labels[i].textContent, labels[j].textContent]);
          });
        });
      }
    }
    // Every text of a drawing of a learning curve: labels of its axes, and of the line of another backbone.
    now.curves = [];
    for (const svg of [...page.querySelectorAll("#images svg")].filter((svg) => svg.clientHeight)) {
      const texts = [...svg.querySelectorAll("text")], frame = svg.getBoundingClientRect();
      const boxes = texts.map((text) => text.getBoundingClientRect());
      now.curves.push({texts: texts.map((text) => text.textContent), dots: svg.querySelectorAll(".dot").length});
      boxes.forEach((box, i) => {
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
            box.bottom > frame.bottom + 1) now.hidden.push(texts[i].textContent);
        boxes.slice(0, i).forEach((other, j) => {
          if (inside(box, other)) now.clashes.push([texts[i].textContent, texts[j].textContent]);
        });
      });
    }
    // Texts of a row that run into the next one of the same row.
    now.rows = 0;
    for (const row of page.querySelectorAll(".forest li:not(.foot), .evidence .row:not(.foot)")) {
      now.rows += 1;
      const parts = [...row.children].filter((part) => part.matches("span")).map((part) => {
        const range = page.createRange();
        range.selectNodeContents(part);
        return range.getBoundingClientRect();
      });
      parts.forEach((box, i) => parts.slice(0, i).forEach((other) => {
        if (inside(box, other)) now.clashes.push([row.textContent.trim(), "row"]);
      }));
      const end = row.getBoundingClientRect().right + 1;
      if (parts.some((box) => box.right > end)) now.hidden.push(row.textContent.trim());
    }
  }
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


def look(folder: Path, scheme: str = "light") -> tuple[dict, list[str]]:
    """What the probe measured of folder/index.html at each of WIDTHS, and the lines of the console."""
    frames = "".join(
        f'<iframe src="index.html" width="{width}" height="9000"></iframe>' for width in WIDTHS
    )
    (folder / "probe.html").write_text(PROBE % frames, encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
            "--window-size=1500,2000",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            (folder / "probe.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(found[1])), [
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    ]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The thirteen cells of params.yaml with made-up scores and costs, and its six hypotheses."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    keys = ("detector", "backbone", "neck", "optimizer", "image_size")
    rows = {name: tuple(row[key] for key in keys) for name, row in params["cells"].items()}
    monkeypatch.setattr(report_cells, "ROWS", rows)
    cells = []
    for number, name in enumerate(rows):
        report_cells.write_cell(tmp_path / "cells", name, number % 5)
        cell = report_cells.load_cell(name, tmp_path / "cells")
        cells.append(
            dataclasses.replace(
                cell,
                parameters=2_000_000 * (1 + number % 7),
                measured=MeasuredCosts(
                    {
                        "latency_ms": 30.0 + 17 * (number % 6),
                        "peak_memory_mib": 300.0 + 40 * (number % 4),
                        "size_mib": 9.5 + number,
                        "gmacs": 1.5,
                        "images_per_second": 12.0,
                    }
                ),
            )
        )
    return cells, [Hypothesis(**one) for one in params["hypotheses"]]


def checked(found: dict, console: list[str], rows: int) -> None:
    assert console == []
    for width, now in found.items():
        assert now["overflow"] <= 0, (width, now["overflow"])
        assert now["clashes"] == [] and now["hidden"] == [], width
        assert now["shown"] and set(now["shown"]) == {1} and now["rows"] >= rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_study_fits_a_desk_and_a_phone(study, tmp_path, scheme):
    cells, stated = study
    report_cells.report(
        cells,
        tmp_path / "page",
        judgement=judged(cells, 0.012, stated=stated),
        listed=list(report_cells.ROWS),
    )
    found, console = look(tmp_path / "page", scheme)
    assert set(found) == {str(width) for width in WIDTHS}
    checked(found, console, rows=13 + 12)
    assert all(now["tabs"] == 5 and now["labels"] == 13 for now in found.values())


def test_the_section_on_more_images_fits_a_desk_and_a_phone(tmp_path):
    cells, judgement = share_matrix.concluded(tmp_path / "made")
    report_cells.report(cells, tmp_path / "page", judgement, listed=list(share_matrix.ROWS))
    found, console = look(tmp_path / "page")
    checked(found, console, rows=4)
    for width, now in found.items():
        # Of the two drawings that the page has, the one for this width: three shares and twice the images.
        [curve] = now["curves"]
        assert curve["dots"] == 4, width
        assert {"60", "120", "240", "480", "training images (logarithmic)"} <= set(curve["texts"])
        assert any(text.startswith("r101") for text in curve["texts"])


HOSTILE = (
    "<script>throw 'a'</script>",
    "\"><img src=x onerror=throw'b'>",
    "셀-종이팩" * 12,
    "L" * 300,
)


def test_hostile_and_endless_names_neither_run_nor_overflow(tmp_path):
    cells = [
        dataclasses.replace(
            cell,
            name=name,
            run=cell.run | {"run_id": name, "seed": name},
            row=cell.row | {"neck": name},
            measured=MeasuredCosts({"latency_ms": 10.0 + place}),
        )
        for place, (cell, name) in enumerate(
            zip(report_cells.load_all(tmp_path), HOSTILE, strict=True)
        )
    ]
    stated = [Hypothesis(f"{name} is better", "r50 < swin_l") for name in HOSTILE]
    found = judged(
        cells,
        stated=stated,
        holes={name + "2": name for name in HOSTILE},
        holds=False,
        why="W" * 400,
    )
    page = report_cells.rendered(cells, tmp_path, found, listed=list(HOSTILE))["index.html"]
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    checked(*look(tmp_path), rows=4)


def test_the_probe_would_notice(tmp_path):
    """What the other tests rely on: an error, an overflow and two labels upon each other are found."""
    label = '<g class="point"><text x="5" y="20">one label</text></g>'
    (tmp_path / "index.html").write_text(
        '<!doctype html><div style="width:2000px">wide</div><div class="choose" id="pareto"><input type="radio">'
        f'<div class="tab"><svg width="300" height="40">{label}{label}</svg></div></div>'
        "<script>throw new Error('seen')</script>",
        encoding="utf-8",
    )
    found, console = look(tmp_path)
    assert any("seen" in line for line in console)
    assert all(now["overflow"] > 0 and len(now["clashes"]) == 1 for now in found.values())
