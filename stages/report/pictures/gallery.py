"""The worst images of the chosen cell, images on which two cells disagree, and suspects.py's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.analysis import tide
from stages.errors import InputError
from stages.report.pictures import disagreements
from stages.report.pictures.disagreements import Disagreements, View
from stages.report.pictures.shown_cells import Shown, ShownCells
from stages.report.pictures.suspects import Suspects, suspects
from stages.report.pictures.thumbnails import Album, Photo, Shot
from stages.study import paths
from stages.study.counts import count
from stages.verdict.judgement import Judgement

WORST = 12
PER_KIND = 3
# What the cell that is wrong does, as a heading and as a sentence of the table.
DISAGREEMENTS = {
    "missed": ("One finds a box that the other misses", "boxes that the other one misses"),
    "classification": (
        "One gives the right class, the other a wrong one",
        "boxes to which the other one gives a wrong class",
    ),
    "localisation": (
        "One places the box well, the other poorly",
        "boxes that the other one places poorly",
    ),
    "background": (
        "One sees something where nothing is labelled",
        "places where the other one sees something that is not labelled",
    ),
}


@dataclass(frozen=True)
class Duel:
    """One image as both cells see it."""

    first: Shot
    second: Shot
    words: str


@dataclass(frozen=True)
class Kind:
    """One type of disagreement: how often the first cell alone is right, how often the second."""

    kind: str
    title: str
    meaning: str
    only: tuple[int, int]
    duels: tuple[Duel, ...]


@dataclass(frozen=True)
class Gallery:
    """`cells`: the chosen cell and the one it is held against. `notes`: what is not shown, and why.

    photos: every JPEG of the page, once.
    """

    cells: tuple[Shown, ...]
    split: str
    worst: tuple[Shot, ...]
    worst_words: str
    kinds: tuple[Kind, ...]
    kinds_words: str
    suspects: Suspects
    notes: tuple[str, ...]
    photos: tuple[Photo, ...]


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
    worst: tuple[Shot, ...] = ()
    kinds: tuple[Kind, ...] = ()
    worst_words = "There is no cell whose detections could be drawn."
    kinds_words = "There are no two cells whose detections could be compared."
    if views and not any(cell.splits[split]["boxes"] for cell, _ in views):
        worst_words = f"The {split} split has no box: nothing is right or wrong."
        kinds_words = worst_words
    elif views:
        worst, worst_words = _worst(*views[0], albums[split])
        if len(views) > 1:
            kinds, kinds_words = _kinds(views, albums[split])
    labels = suspects(judgement, albums)
    photos = [photo for album in albums.values() for photo in album.photos]
    return Gallery(
        cells=tuple(cell for cell, _ in views),
        split=split,
        worst=worst,
        worst_words=worst_words,
        kinds=kinds,
        kinds_words=kinds_words,
        suspects=labels,
        notes=tuple(notes),
        photos=tuple(photos),
    )


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
    inspected = tide.inspect(root / paths.annotations(split), cell.files.predictions(split))
    return disagreements.view(inspected, cell.splits[split]["score"])


def _worst(cell: Shown, view: View, album: Album) -> tuple[tuple[Shot, ...], str]:
    details = cell.splits[album.split]
    images = {
        image["image_id"]: image for image in details["per_image"] if image["image_id"] in album
    }
    faulty = sum(image["wrong"] + image["not_found"] > 0 for image in images.values())
    shots = []
    for number in details["worst"]:
        if number in images and len(shots) < WORST:
            picture = album.picture(number, disagreements.boxes(view, number))
            shots.append(Shot(picture, disagreements.tally(images[number]), cell))
    if not shots:
        return (), f"{cell.short} makes no mistake on {album.split}."
    heading = "The worst one" if len(shots) == 1 else f"The worst {len(shots)}"
    return tuple(shots), (
        f"{cell.short} is wrong on {faulty:,} of {len(images):,} {album.split} images, counting "
        f"scores from {view.score:.3f} up. {heading}, by boxes that are wrong or not found:"
    )


def _kinds(views: Sequence[tuple[Shown, View]], album: Album) -> tuple[tuple[Kind, ...], str]:
    (first, view), (second, other_view) = views
    disagreement = disagreements.compare(view, other_view)
    if not len(disagreement.kind):
        return (), f"{first.short} and {second.short} agree on every box of {album.split}."
    images = len(view.inspected.truth.image_ids)
    pictured: set[int] = set()
    kinds = []
    for number, name in enumerate(disagreements.KINDS):
        of_kind = disagreement.kind == number
        per_image = np.bincount(disagreement.image[of_kind], minlength=images)
        duels = []
        for image in np.argsort(-per_image, kind="stable").tolist():
            if len(duels) == PER_KIND or not per_image[image]:
                break
            if image not in pictured:
                pictured.add(image)
                rows = np.flatnonzero(of_kind & (disagreement.image == image))
                duels.append(_duel(name, disagreement, rows, views, album))
        title, meaning = DISAGREEMENTS[name]
        only = (disagreement.count(number, 0), disagreement.count(number, 1))
        kinds.append(Kind(name, title, meaning, only, tuple(duels)))
    touched = len(np.unique(disagreement.image))
    return tuple(kinds), (
        f"{first.short} and {second.short} disagree {count(len(disagreement.kind), 'times')} on "
        f"{touched:,} of {images:,} {album.split} images, each with scores from its own threshold "
        f"up ({view.score:.3f} and {other_view.score:.3f})."
    )


def _duel(
    kind: str,
    disagreement: Disagreements,
    rows: np.ndarray,
    views: Sequence[tuple[Shown, View]],
    album: Album,
) -> Duel:
    """The disagreements `rows` of one kind, which are all on one image."""
    number = int(views[0][1].inspected.truth.image_ids[disagreement.image[rows[0]]])
    lit_boxes = set(disagreement.box[rows].tolist())
    shots, mistakes = [], []
    for side, (cell, view) in enumerate(views):
        wrong = rows[disagreement.right[rows] != side]
        lit = set(disagreement.detection[wrong].tolist())
        picture = album.picture(number, disagreements.boxes(view, number, lit_boxes, lit))
        shots.append(Shot(picture, "", cell))
        if len(wrong):
            boxes, detections = disagreement.box[wrong], disagreement.detection[wrong]
            mistakes.append(disagreements.mistakes(kind, cell, view, boxes, detections))
    return Duel(*shots, "; ".join(mistakes))
