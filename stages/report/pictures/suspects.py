"""Labels to look at again: boxes whose class every good cell contradicts, and images on which every
good cell sees things that are not labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.pictures.thumbnails import Album, Box, Shot
from stages.study.counts import count, form, is_or_are
from stages.verdict.judgement import Judgement
from stages.verdict.wording import shortened

MOST = 12
# Classes that a caption lists; the others are counted.
_CLASSES = 4


@dataclass(frozen=True)
class Suspects:
    """Each list with the sentence above it, which says so where the list is empty."""

    contradicted: tuple[Shot, ...]
    contradicted_words: str
    unlabelled: tuple[Shot, ...]
    unlabelled_words: str


def suspects(judgement: Judgement, albums: Mapping[str, Album]) -> Suspects:
    contradicted = _entries(judgement.suspects, albums)
    contradicted.sort(
        key=lambda entry: (-entry[1]["agree"], -entry[1]["score"], entry[0], entry[1]["box_id"])
    )
    unlabelled = _entries(judgement.unlabelled, albums)
    unlabelled.sort(key=lambda entry: (-len(entry[1]["places"]), entry[0]))
    boxes = [_contradicted(split, entry, albums, judgement) for split, entry in contradicted[:MOST]]
    images = [_unlabelled(split, entry, albums) for split, entry in unlabelled[:MOST]]
    return Suspects(
        tuple(boxes),
        _contradicted_words(contradicted),
        tuple(images),
        _unlabelled_words(unlabelled),
    )


def _entries(
    by_split: Mapping[str, Sequence[Mapping[str, Any]]], albums: Mapping[str, Album]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Those whose image can be shown, each with its split."""
    entries = []
    for split, suspected in by_split.items():
        for entry in suspected:
            if entry["image_id"] in albums.get(split, ()):
                entries.append((split, entry))
    return entries


def _contradicted(
    split: str, entry: Mapping[str, Any], albums: Mapping[str, Album], judgement: Judgement
) -> Shot:
    """The box on its own piece of the image."""
    words = (
        f"labelled {entry['class']}; {entry['agree']} of {count(len(entry['cells']), 'cells')} see "
        f"{entry['detected']}, with {entry['score']:.2f} or more (box {entry['box_id']} of {split})"
    )
    lines = [f"labelled {entry['class']}"]
    lines += [f"{judgement.short(name)}: {detected}" for name, detected in entry["cells"].items()]
    box = Box(*entry["bbox"], "suspect", False, "\n".join(lines), True)
    return Shot(albums[split].picture(entry["image_id"], [box], entry["bbox"]), words)


def _unlabelled(split: str, entry: Mapping[str, Any], albums: Mapping[str, Album]) -> Shot:
    """The whole image with every place that all good cells see and nobody has labelled."""
    boxes = []
    for place in entry["places"]:
        title = f"not labelled; seen as {place['detected']}, with {place['score']:.2f} or more"
        boxes.append(Box(*place["bbox"], "suspect", True, title, True))
    classes = Counter(place["detected"] for place in entry["places"]).most_common()
    names = shortened([f"{number} {name}" for name, number in classes], _CLASSES, "other classes")
    words = (
        f"{count(entry['boxes'], 'boxes')} labelled; every good cell sees {len(boxes)} more: {', '.join(names)} "
        f"(image {entry['image_id']} of {split})"
    )
    return Shot(albums[split].picture(entry["image_id"], boxes), words)


def _contradicted_words(entries: Sequence[object]) -> str:
    if not entries:
        return "No label is contradicted by all good cells."
    if len(entries) == 1:
        return "All good cells give 1 labelled box another class than its label:"
    part = "all"
    if len(entries) > MOST:
        part = f"the first {MOST}"
    return (
        f"All good cells give {len(entries):,} labelled boxes another class than their labels; "
        f"{part} of them:"
    )


def _unlabelled_words(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    if not entries:
        return "All good cells together see nothing that is not labelled."
    places = sum(len(entry["places"]) for _, entry in entries)
    noun = form(places, "thing", "things")
    part = ""
    if len(entries) > MOST:
        part = f"; the first {MOST} of them"
    return (
        f"All good cells see {places:,} {noun} that {is_or_are(places)} not labelled, on "
        f"{count(len(entries), 'images')}{part}. Either the label is missing, or they share a "
        "mistake:"
    )
