"""Pictures: the worst images of the chosen cell, images on which two cells disagree, and labels to look at again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.analysis import depth
from stages.errors import InputError
from stages.report.pictures import captions, disagreements
from stages.report.pictures.details import Shown, Study
from stages.report.pictures.disagreements import Disagreements, View
from stages.report.pictures.thumbnails import Album, Box, Photo, Picture
from stages.study import paths
from stages.verdict.judgement import Judgement

WORST = 12
PER_KIND = 3
SUSPECTS = 12
# What the cell that is wrong does, as a heading and as a sentence of the table.
DISAGREEMENTS = {
    "missed": ("One finds a box, the other shows nothing there", "boxes that the other one misses"),
    "classification": ("One gives the right class, the other a wrong one", "boxes whose class the other one confuses"),
    "localisation": ("One places the box well, the other poorly", "boxes that the other one places poorly"),
    "background": ("One shows something where nothing is", "places where the other one alone sees something"),
}


@dataclass(frozen=True)
class Shot:
    """A picture and what is right and wrong on it in words. cell: whose detections, None for no one's."""

    picture: Picture
    words: str
    cell: Shown | None = None


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
    """`cells`: the chosen cell and the one it is held against. `notes`: what is not shown, and why. photos: every JPEG
    of the page, once."""

    cells: tuple[Shown, ...]
    split: str
    worst: tuple[Shot, ...]
    worst_words: str
    kinds: tuple[Kind, ...]
    kinds_words: str
    suspects: tuple[Shot, ...]
    suspects_words: str
    notes: tuple[str, ...]
    photos: tuple[Photo, ...]


def gallery(study: Study, judgement: Judgement, root: Path) -> Gallery:
    """Reads the annotations under `root`, the predictions of two cells and the images that are shown."""
    split, notes = study.split, []
    cells, absent = study.having("boxes", "score", "per_image", "worst")
    notes += [absent] * bool(absent)
    albums: dict[str, Album] = {}
    for name in (split, *(name for name in judgement.suspects if name != split)):
        try:
            albums[name] = Album(root / paths.annotations(name), root)
        except (OSError, KeyError, TypeError, ValueError) as error:
            notes.append(f"No pictures of {name}: {paths.annotations(name).as_posix()} cannot be read "
                         f"({type(error).__name__}).")
    views = []
    for cell in cells[:2] if split in albums else ():
        try:
            views.append((cell, _view(cell, study.split, root)))
        except InputError as error:
            notes.append(f"No pictures of {cell.name}: {error}.")
    worst, worst_words, kinds = (), "There is no cell whose detections could be drawn.", ()
    kinds_words = "There are no two cells with detections to hold against each other."
    if views and not any(cell.splits[split]["boxes"] for cell, _ in views):
        worst_words = kinds_words = f"The {split} split has no box: nothing is right or wrong."
    elif views:
        worst, worst_words = _worst(*views[0], albums[split])
        if len(views) > 1:
            kinds, kinds_words = _kinds(views, albums[split])
    suspects, suspects_words = _suspects(judgement, albums)
    return Gallery(tuple(cell for cell, _ in views), split, worst, worst_words, kinds, kinds_words, suspects,
                   suspects_words, tuple(notes), tuple(photo for album in albums.values() for photo in album.photos))


def _view(cell: Shown, split: str, root: Path) -> View:
    """Raises InputError with one line where the cell's predictions cannot be read."""
    path = paths.predictions(cell.name, split)
    again = f"run `dvc repro stages/dvc.yaml:evaluate@{cell.name}`"
    try:
        results = json.loads((root / path).read_bytes())
    except OSError:
        raise InputError(f"{path.as_posix()} is missing; {again}") from None
    except ValueError:
        raise InputError(f"{path.as_posix()} is not JSON; {again}") from None
    return disagreements.view(depth.inspect(root / paths.annotations(split), results), cell.splits[split]["score"])


def _worst(cell: Shown, seen: View, album: Album) -> tuple[tuple[Shot, ...], str]:
    details = cell.splits[album.split]
    by_id = {image["image_id"]: image for image in details["per_image"] if image["image_id"] in album}
    chosen = [by_id[number] for number in details["worst"] if number in by_id][:WORST]
    faulty = sum(image["wrong"] + image["not_found"] > 0 for image in by_id.values())
    if not chosen:
        return (), f"{cell.name} makes no mistake on {album.split}."
    shots = tuple(Shot(album.picture(image["image_id"], captions.boxes(seen, image["image_id"])),
                       captions.tally(image), cell) for image in chosen)
    return shots, (f"{cell.name} is wrong on {faulty:,} of {len(by_id):,} {album.split} images, with scores from "
                   f"{seen.score:.3f} up. {f'The worst {len(shots)}' if len(shots) > 1 else 'The worst one'}, by boxes "
                   "that are wrong or not found:")


def _kinds(views: Sequence[tuple[Shown, View]], album: Album) -> tuple[tuple[Kind, ...], str]:
    (first, a), (second, b) = views
    found = disagreements.compare(a, b)
    if not len(found.kind):
        return (), f"{first.name} and {second.name} agree on every box of {album.split}."
    ids, used, kinds = a.inspected.truth.image_ids, set(), []
    for number, name in enumerate(disagreements.KINDS):
        here = found.kind == number
        count = np.bincount(found.image[here], minlength=len(ids))
        order = [at for at in np.argsort(-count, kind="stable").tolist() if count[at] and at not in used][:PER_KIND]
        used.update(order)
        duels = tuple(_duel(name, found, np.flatnonzero(here & (found.image == at)), views, album) for at in order)
        title, meaning = DISAGREEMENTS[name]
        kinds.append(Kind(name, title, meaning, (found.count(number, 0), found.count(number, 1)), duels))
    return tuple(kinds), (f"{first.name} and {second.name} disagree {_times(len(found.kind))} on {album.split}, on "
                          f"{len(np.unique(found.image)):,} of {len(ids):,} images, each with scores from its own "
                          f"threshold up ({a.score:.3f} and {b.score:.3f}).")


def _duel(kind: str, found: Disagreements, rows: np.ndarray, views: Sequence[tuple[Shown, View]],
          album: Album) -> Duel:
    """The disagreements `rows` of one kind, which are all on one image."""
    number = int(views[0][1].inspected.truth.image_ids[found.image[rows[0]]])
    lit_boxes = set(found.box[rows].tolist())
    shots, told = [], []
    for side, (cell, seen) in enumerate(views):
        mine = rows[found.right[rows] != side]
        lit = set(found.detection[mine].tolist())
        shots.append(Shot(album.picture(number, captions.boxes(seen, number, lit_boxes, lit)), "", cell))
        if len(mine):
            told.append(captions.mistakes(kind, cell, seen, found.box[mine], found.detection[mine]))
    return Duel(*shots, "; ".join(told))


def _suspects(judgement: Judgement, albums: dict[str, Album]) -> tuple[tuple[Shot, ...], str]:
    """Boxes that every good cell contradicts, on their own piece of the image."""
    entries = [(split, entry) for split, found in judgement.suspects.items() for entry in found
               if entry["image_id"] in albums.get(split, ())]
    if not entries:
        return (), "There is no box that every cell which is not worse than the best contradicts."
    entries.sort(key=lambda one: (-one[1]["agree"], -one[1]["score"], one[0], one[1]["box_id"]))
    shots = []
    for split, entry in entries[:SUSPECTS]:
        of = len(entry["cells"])
        words = (f"labelled {entry['class']}; {entry['agree']} of {of} cells see {entry['detected']}, with "
                 f"{entry['score']:.2f} or more (box {entry['box_id']} of {split})")
        each = "\n".join(f"{name}: {seen}" for name, seen in entry["cells"].items())
        picture = albums[split].picture(entry["image_id"], [Box(
            entry["bbox"], "suspect", False, f"labelled {entry['class']}\n{each}", True)], entry["bbox"])
        shots.append(Shot(picture, words))
    all_of = f"the first {len(shots)} of them" if len(entries) > len(shots) else "all of them"
    noun, verb = ("box", "carries") if len(entries) == 1 else ("boxes", "carry")
    return tuple(shots), (f"{len(entries):,} {noun} {verb} a class that every cell which is not worse than the best "
                          f"contradicts{f'; {all_of}' if len(entries) > 1 else ''}:")


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
