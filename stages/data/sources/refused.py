"""Formats of tools that prepare does not read: how each is recognised, and the way out."""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple

from stages.data.disk import Tree, stem_of

# Files of one suffix in a folder that are looked at, and bytes of each: of text, and of JSON.
_FILES, _BYTES, _JSON_BYTES = 5, 2**14, 2**18
# The last text may be cut short.
_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)(?:"(?P<key>\s*:)?|\\?\Z)|[{}\[\]]', re.DOTALL)


class Format(NamedTuple):
    """tool: what the format is called; remedy: what to do in the tool."""

    tool: str
    remedy: str


def refusal(tree: Tree) -> tuple[str, Format] | None:
    """A file of the first format that is known and not read, and the format."""
    for suffixes, recognise in _RECOGNISERS.items():
        for folder, names in tree.files.items():
            chosen = [name for name in names if name.lower().endswith(suffixes)][:_FILES]
            for name in chosen:
                path = posixpath.join(folder, name)
                recognised = recognise(tree, path)
                if recognised:
                    return path, recognised
    return None


def shape(text: str) -> tuple[str, set[str], set[str]]:
    """Of the beginning of a JSON file: its first character, the keys of the outermost object or of
    a list's first entry, and those of the first object inside."""
    kind = text.lstrip()[:1]
    keys: set[str] = set()
    inner: set[str] = set()
    outermost = 2 if kind == "[" else 1
    depth = inner_depth = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if token["key"] and depth == outermost:
            keys.add(token["text"])
        elif token["key"] and depth == inner_depth:
            inner.add(token["text"])
        elif mark in ("{", "["):
            depth += 1
            if mark == "{" and depth > outermost and not inner_depth:
                inner_depth = depth
        elif mark in ("}", "]"):
            # The first object alone.
            if depth == inner_depth:
                inner_depth = -1
            depth -= 1
            if depth < outermost:
                break
    return kind, keys, inner


def _table(text: str) -> dict[str, Format]:
    """Signature -> format, of lines "signature, signature: tool", each before its remedy."""
    formats = {}
    lines = list(filter(None, map(str.strip, text.splitlines())))
    for line, remedy in zip(lines[::2], lines[1::2]):
        signatures, tool = line.split(": ")
        for signature in signatures.split(", "):
            formats[signature] = Format(tool, remedy)
    return formats


# A signature: { for an object or [ for a list, the keys that it or the list's first entry has, and
# after > those of the first object inside.
_JSON = _table("""
{ shapes imagePath, { shapes imageData, { shapes flags: labelme's JSON
    convert it with labelme's own examples/instance_segmentation/labelme2coco.py
{ _via_settings, { _via_img_metadata, { > filename regions size: VIA's JSON
    in VIA choose Annotation > Export Annotations (COCO format)
[ data annotations, [ data completions: Label Studio's JSON
    in Label Studio choose the export COCO or YOLO with Images
[ annotator annotation_id: Label Studio's JSON_MIN
    in Label Studio choose the export COCO or YOLO with Images
{ items categories: Datumaro's JSON
    in CVAT export COCO 1.0; or: datum convert -if datumaro -i ROOT -f coco -- --save-media
{ samples: FiftyOne's own format
    export it with dataset_type=fiftyone.types.COCODetectionDataset
{ objects size, { classes > title shape: Supervisely's JSON
    in Supervisely run the app Export to COCO
[ image annotations: CreateML's JSON
    export the set as COCO; in Roboflow choose COCO
[ name labels: BDD100K's JSON
    convert it: python -m bdd100k.label.to_coco
{ item annotations: V7's Darwin JSON
    in V7 export the set as COCO
{ source-ref: a manifest of SageMaker Ground Truth
    it has no export to COCO; write one: bbox is [left, top, width, height] of its annotations, \
categories are its class-map
{ data_row: Labelbox's NDJSON
    convert it to COCO
{ type task: Ultralytics' NDJSON
    convert it to YOLO with ultralytics.data.converter.convert_ndjson_to_yolo
[ image_id bbox: a list of COCO's detections or annotations
    give the file that has the lists images, annotations and categories
{ images annotations, { images categories: JSON whose images are not COCO's
    COCO has a list of objects, "images": [{"id": 1, "file_name": "a.jpg"}, ...]
{ annotations categories: COCO's JSON without the list images
    give it its images, as a list: "images": [{"id": 1, "file_name": "a.jpg"}, ...]
""")
# A signature: columns.
_CSV = _table("""
ImageID LabelName XMin YMax: Open Images' CSV
    load it with FiftyOne and export fiftyone.types.COCODetectionDataset
filename region_shape_attributes: VIA's CSV
    in VIA choose Annotation > Export Annotations (COCO format)
filename class xmin ymax: TensorFlow's CSV
    export the set as COCO; in Roboflow choose COCO
annotation_id lead_time: Label Studio's CSV
    in Label Studio choose the export COCO or YOLO with Images
xmin ymax: a CSV of boxes
    convert it to COCO
""")


def _json(tree: Tree, path: str) -> Format | None:
    text = tree.beginning(path, _JSON_BYTES).decode("utf-8-sig", errors="replace")
    kind, keys, inner = shape(text)
    for signature, candidate in _JSON.items():
        own, _, inside = signature[1:].partition(">")
        if (
            signature[0] == kind
            and keys.issuperset(own.split())
            and inner.issuperset(inside.split())
        ):
            return candidate
    return None


def _csv(tree: Tree, path: str) -> Format | None:
    columns = {column.strip().strip('"#') for column in _lines(tree, path)[0].split(",")}
    for signature, candidate in _CSV.items():
        if columns.issuperset(signature.split()):
            return candidate
    return None


def _xml(tree: Tree, path: str) -> Format | None:
    text = "\n".join(_lines(tree, path))
    if "<annotations" in text and ("<image " in text or "<track " in text or "<meta>" in text):
        return Format("CVAT's own XML", "in CVAT export the task as COCO 1.0")
    if "<annotation" in text and "<polygon>" in text and "<bndbox>" not in text:
        return Format("LabelMe's XML", "export it as COCO 1.0 or PASCAL VOC 1.1, with boxes")
    return None


def _text(tree: Tree, path: str) -> Format | None:
    """By the first line of a text file with a line per box."""
    line = _lines(tree, path)[0]
    words = line.split()
    if line.startswith(("imagesource:", "gsd:")) or (
        len(words) == 10 and _are_numbers(words[:8]) and not _are_numbers(words[8:9])
    ):
        remedy = "its boxes are turned; write them as COCO with the boxes around them"
        return Format("DOTA's text", remedy)
    if len(words) in (15, 16) and not _are_numbers(words[:1]) and _are_numbers(words[1:15]):
        remedy = "convert it with Datumaro: datum convert -if kitti -i ROOT -f coco -- --save-media"
        return Format("KITTI's text", remedy)
    if line.count(",") >= 7 and _are_numbers(line.rstrip(",").split(",")):
        remedy = "convert it to COCO or YOLO (Ultralytics' VisDrone.yaml has a converter)"
        return Format("VisDrone's or MOT's text", remedy)
    if stem_of(path) in tree.stems:
        return _nearly_yolo(tree, path, line)
    return None


def _nearly_yolo(tree: Tree, path: str, line: str) -> Format | None:
    """By the first line of a text file that has an image's name, and no line of YOLO's."""
    remedy = f"YOLO has `class x y width height` in a line, as in `0 0.5 0.5 0.1 0.2`, not `{line}`"
    if tree.beginning(path, 2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return Format("text in UTF-16", "save such files as UTF-8")
    if len(line.split(",")) in (5, 6) and _are_numbers(line.split(",")):
        return Format("a label file with commas between its numbers", remedy)
    words = line.split()
    if len(words) < 5:
        return None
    if _are_numbers(line.replace(",", ".").split()):
        return Format("a label file with commas in its numbers", remedy)
    if _are_numbers(words[1:]) and not _are_numbers(words[:1]):
        remedy += "; a class is its number, from 0, in the names of data.yaml or classes.txt"
        return Format("a label file with names of classes", remedy)
    return None


def _by_name(tool: str, remedy: str) -> Callable[[Tree, str], Format]:
    """remedy: may have {path} for the file's."""
    return lambda tree, path: Format(tool, remedy.format(path=path))


_RECOGNISERS: dict[tuple[str, ...], Callable[[Tree, str], Format | None]] = {
    (".json", ".manifest", ".jsonl", ".ndjson"): _json,
    (".xml",): _xml,
    (".csv",): _csv,
    (".txt",): _text,
    (".tfrecord", ".tfrecords", ".record"): _by_name(
        "TFRecord", "export the set as COCO, YOLO or Pascal VOC instead"
    ),
    (".parquet",): _by_name(
        "Parquet",
        "load it with the library datasets, and write its images as files and its boxes as COCO",
    ),
    (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z"): _by_name(
        "an archive", "unpack it into a folder of its own and give that as ROOT ({path})"
    ),
    (".gz", ".bz2", ".xz", ".zst"): _by_name("a compressed file", "unpack it ({path})"),
}


def _are_numbers(words: list[str]) -> bool:
    try:
        list(map(float, words))
    except ValueError:
        return False
    return True


def _lines(tree: Tree, path: str) -> list[str]:
    """Those of the file's beginning that are not empty; "" where there is none."""
    text = tree.beginning(path, _BYTES).decode("utf-8-sig", errors="replace")
    return [line for line in text.splitlines() if line.strip()] or [""]
