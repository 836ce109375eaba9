"""The worst images of the chosen cell, images on which two cells disagree, and labels to look at
again: boxes whose class every good cell contradicts, and images on which every good cell sees
things that are not labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.analysis import tide
from stages.errors import InputError
from stages.report.pictures import disagreements
from stages.report.pictures.disagreements import DISAGREEMENTS, View
from stages.report.pictures.thumbnails import Album, DrawnBox, Photo, Shot
from stages.report.shown_cells import Shown, ShownCells
from stages.study import paths
from stages.study.counts import count, form, is_or_are, shortened
from stages.verdict.judgement import Judgement

WORST_LIMIT = 12
PER_KIND = 3
SUSPECT_LIMIT = 12
# Classes that a caption lists; the others are counted.
_MOST_NAMES = 4


@dataclass(frozen=True)
class Disagreement:
    """One type of disagreement: how often the first cell alone is right, how often the second.
    duels: an image as each of them sees it, and what is wrong there."""

    kind: str
    title: str
    meaning: str
    only: tuple[int, int]
    duels: list[tuple[list[Shot], str]]


@dataclass(frozen=True)
class Wall:
    """Pictures, or kinds of pairs of them, below a sentence, which says so where there are none."""

    words: str
    shots: Sequence[Shot | Disagreement] = ()


@dataclass(frozen=True)
class Gallery:
    """`cells`: the chosen cell and the one it is held against; `notes`: what is not shown, and why;
    photos: every JPEG of the page, once."""

    cells: list[Shown]
    worst: Wall
    disagreements: Wall
    unlabelled: Wall
    contradicted: Wall
    notes: list[str]
    photos: list[Photo]


def gallery(study: ShownCells, judgement: Judgement, root: Path) -> Gallery:
    """Reads annotations and images under `root`, and the predictions of two cells."""
    split = study.split
    cells, absent = study.having("boxes", "score", "per_image", "worst")
    notes = [absent] if absent else []
    albums = _albums([split, *judgement.suspects, *judgement.unlabelled], root, notes)
    views = []
    for cell in cells[:2] if split in albums else ():
        try:
            views.append((cell, _view(cell, split, root)))
        except InputError as error:
            notes.append(f"No pictures of {cell.short}: {error}.")
    worst = Wall("There is no cell whose detections could be drawn.")
    disagreed = Wall("There are no two cells whose detections could be compared.")
    if views and not any(cell.splits[split]["boxes"] for cell, _ in views):
        worst = disagreed = Wall(f"The {split} split has no box: nothing is right or wrong.")
    elif views:
        worst = _worst(*views[0], albums[split])
        if len(views) > 1:
            disagreed = _disagreements(views, albums[split])
    unlabelled, contradicted = _unlabelled(judgement, albums), _contradicted(judgement, albums)
    photos = [photo for album in albums.values() for photo in album.photos]
    cells = [cell for cell, _ in views]
    return Gallery(cells, worst, disagreed, unlabelled, contradicted, notes, photos)


def _albums(splits: Sequence[str], root: Path, notes: list[str]) -> dict[str, Album]:
    """Split -> its images; a note for each whose annotations cannot be read."""
    albums = {}
    for split in dict.fromkeys(splits):
        path = paths.annotations(split)
        try:
            albums[split] = Album(root / path, root)
        except (OSError, KeyError, TypeError, ValueError) as error:
            notes.append(
                f"No pictures of {split}: {path.as_posix()} cannot be read ({type(error).__name__})."
            )
    return albums


def _view(cell: Shown, split: str, root: Path) -> View:
    """Raises InputError with one line where the cell's predictions cannot be read."""
    inspected = tide.inspect(root / paths.annotations(split), cell.result.files.predictions(split))
    return disagreements.view(inspected, cell.splits[split]["score"])


def _worst(cell: Shown, view: View, album: Album) -> Wall:
    details = cell.splits[album.split]
    images = {
        image["image_id"]: image for image in details["per_image"] if image["image_id"] in album
    }
    faulty = sum(image["wrong"] + image["not_found"] > 0 for image in images.values())
    shots = []
    for number in details["worst"]:
        if number in images and len(shots) < WORST_LIMIT:
            words = disagreements.image_tally(images[number])
            shots.append(album.shot(number, disagreements.boxes(view, number), words, cell=cell))
    if not shots:
        return Wall(f"{cell.short} makes no mistake on {album.split}.")
    heading = "The worst one" if len(shots) == 1 else f"The worst {len(shots)}"
    words = (
        f"{cell.short} is wrong on {faulty:,} of {len(images):,} {album.split} images, counting "
        f"scores from {view.score:.3f} up. {heading}, by boxes that are wrong or not found:"
    )
    return Wall(words, shots)


def _disagreements(views: Sequence[tuple[Shown, View]], album: Album) -> Wall:
    (first, view), (second, other_view) = views
    table = disagreements.compare_views(view, other_view)
    if table.empty:
        return Wall(f"{first.short} and {second.short} agree on every box of {album.split}.")
    pictured: set[int] = set()
    kinds = []
    for name, (title, meaning) in DISAGREEMENTS.items():
        of_kind = table[table.kind == name]
        # The images of most disagreements, each pictured once.
        images = (-of_kind.groupby("image").size()).sort_values(kind="stable").index
        images = [image for image in images.tolist() if image not in pictured][:PER_KIND]
        pictured.update(images)
        duels = [_duel(of_kind[of_kind.image == image], views, album) for image in images]
        only = (int((of_kind.right == 0).sum()), int((of_kind.right == 1).sum()))
        kinds.append(Disagreement(name, title, meaning, only, duels))
    words = (
        f"{first.short} and {second.short} disagree {count(len(table), 'times')} on "
        f"{table.image.nunique():,} of {len(view.inspected.truth.image_ids):,} {album.split} images, "
        "each with scores from its own threshold up "
        f"({view.score:.3f} and {other_view.score:.3f})."
    )
    return Wall(words, kinds)


def _duel(
    rows: pd.DataFrame, views: Sequence[tuple[Shown, View]], album: Album
) -> tuple[list[Shot], str]:
    """rows: the disagreements of one kind on one image."""
    number = int(views[0][1].inspected.truth.image_ids[rows.image.iloc[0]])
    shots, mistakes = [], []
    for side, (cell, view) in enumerate(views):
        wrong = rows[rows.right != side]
        boxes = disagreements.boxes(view, number, set(rows.box), set(wrong.detection))
        shots.append(album.shot(number, boxes, cell=cell))
        if not wrong.empty:
            mistakes.append(disagreements.mistakes(cell, view, wrong))
    return shots, "; ".join(mistakes)


def _shown(
    by_split: Mapping[str, Sequence[Mapping[str, Any]]], albums: Mapping[str, Album]
) -> list[tuple[str, Mapping[str, Any]]]:
    """The suspects whose image can be shown, each with its split."""
    entries = []
    for split, suspects in by_split.items():
        for entry in suspects:
            if entry["image_id"] in albums.get(split, ()):
                entries.append((split, entry))
    return entries


def _contradicted(judgement: Judgement, albums: Mapping[str, Album]) -> Wall:
    """Each box on its own piece of the image."""
    entries = _shown(judgement.suspects, albums)
    entries.sort(
        key=lambda entry: (-entry[1]["agree"], -entry[1]["score"], entry[0], entry[1]["box_id"])
    )
    shots = []
    for split, entry in entries[:SUSPECT_LIMIT]:
        label = f"labelled {entry['class']}"
        words = (
            f"{label}; {entry['agree']} of {count(len(entry['cells']), 'cells')} see "
            f"{entry['detected']}, with {entry['score']:.2f} or more (box {entry['box_id']} of "
            f"{split})"
        )
        lines = [label]
        for name, detected in entry["cells"].items():
            lines.append(f"{judgement.short(name)}: {detected}")
        box = DrawnBox(*entry["bbox"], "suspect", False, "\n".join(lines), True)
        shots.append(albums[split].shot(entry["image_id"], [box], words, focus=entry["bbox"]))
    if not shots:
        return Wall("No label is contradicted by all good cells.")
    if len(entries) == 1:
        return Wall("All good cells give 1 labelled box another class than its label:", shots)
    part = "all" if len(entries) == len(shots) else f"the first {len(shots)}"
    words = (
        f"All good cells give {len(entries):,} labelled boxes another class than their labels; "
        f"{part} of them:"
    )
    return Wall(words, shots)


def _unlabelled(judgement: Judgement, albums: Mapping[str, Album]) -> Wall:
    """The whole image with every place that all good cells see and nobody has labelled."""
    entries = _shown(judgement.unlabelled, albums)
    entries.sort(key=lambda entry: (-len(entry[1]["places"]), entry[0]))
    shots = []
    for split, entry in entries[:SUSPECT_LIMIT]:
        boxes = []
        for place in entry["places"]:
            title = f"not labelled; seen as {place['detected']}, with {place['score']:.2f} or more"
            boxes.append(DrawnBox(*place["bbox"], "suspect", True, title, True))
        classes = Counter(place["detected"] for place in entry["places"]).most_common()
        names = [f"{number} {name}" for name, number in classes]
        words = (
            f"{count(entry['boxes'], 'boxes')} labelled; every good cell sees {len(boxes)} more: "
            f"{', '.join(shortened(names, _MOST_NAMES, 'other classes'))} (image "
            f"{entry['image_id']} of {split})"
        )
        shots.append(albums[split].shot(entry["image_id"], boxes, words))
    if not shots:
        return Wall("All good cells together see nothing that is not labelled.")
    places = sum(len(entry["places"]) for _, entry in entries)
    part = "" if len(entries) == len(shots) else f"; the first {len(shots)} of them"
    words = (
        f"All good cells see {places:,} {form(places, 'thing', 'things')} that {is_or_are(places)} "
        f"not labelled, on {count(len(entries), 'images')}{part}. Either the label is missing, or "
        "they share a mistake:"
    )
    return Wall(words, shots)
