"""Formats of tools that prepare does not read: how each is recognised, and the way out."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from stages.data.layouts.json_peek import WINDOW, Shape, shape
from stages.data.layouts.tree import Tree

# Files of one suffix in a folder that are looked at, and bytes of a text file.
_FILES, _BYTES = 5, 2**14


@dataclass(frozen=True)
class Refusal:
    """file: an example of what was recognised. tool: the name of the format; remedy: what to do in
    the tool."""

    file: str
    tool: str
    remedy: str


def refusal(tree: Tree) -> Refusal | None:
    """The first format that is known and not read; None where there is none."""
    for suffixes, recognise in _RECOGNISERS:
        for folder, names in tree.files.items():
            chosen = [name for name in names if name.lower().endswith(suffixes)][:_FILES]
            for name in chosen:
                path = posixpath.join(folder, name)
                answer = recognise(tree, path)
                if answer:
                    return Refusal(path, *answer)
    return None


def _json(tree: Tree, path: str) -> tuple[str, str] | None:
    content = shape(tree.beginning(path, WINDOW))
    for tool, remedy, test in _JSON:
        if test(content):
            return tool, remedy
    return None


def _xml(tree: Tree, path: str) -> tuple[str, str] | None:
    text = _beginning(tree, path)
    if "<annotations" in text and ("<image " in text or "<track " in text or "<meta>" in text):
        return "CVAT's own XML", "in CVAT export the task as COCO 1.0"
    if "<annotation" in text and "<polygon>" in text and "<bndbox>" not in text:
        return "LabelMe's XML", "export it as COCO 1.0 or PASCAL VOC 1.1, with boxes"
    return None


def _table(tree: Tree, path: str) -> tuple[str, str] | None:
    """The first line of a CSV file."""
    lines = _beginning(tree, path).splitlines() or [""]
    columns = {column.strip().strip('"#') for column in lines[0].split(",")}
    for tool, remedy, names in _TABLES:
        if names <= columns:
            return tool, remedy
    return None


def _text(tree: Tree, path: str) -> tuple[str, str] | None:
    """The first line of a text file with a line per box."""
    lines = [line for line in _beginning(tree, path).splitlines() if line.strip()] or [""]
    words = lines[0].split()
    if lines[0].startswith(("imagesource:", "gsd:")) or (
        len(words) == 10 and _are_numbers(words[:8]) and not _are_numbers(words[8:9])
    ):
        return "DOTA's text", "its boxes are turned; write them as COCO with the boxes around them"
    if len(words) in (15, 16) and not _are_numbers(words[:1]) and _are_numbers(words[1:15]):
        return (
            "KITTI's text",
            "convert it with Datumaro: datum convert -if kitti -i ROOT -f coco -- --save-media",
        )
    if lines[0].count(",") >= 7 and _are_numbers(lines[0].rstrip(",").split(",")):
        return (
            "VisDrone's or MOT's text",
            "convert it to COCO or YOLO (Ultralytics' VisDrone.yaml has a converter)",
        )
    return None


def _lines_of_json(tree: Tree, path: str) -> tuple[str, str] | None:
    keys = shape(tree.beginning(path, WINDOW)).keys
    if "source-ref" in keys:
        return (
            "a manifest of SageMaker Ground Truth",
            "it has no export to COCO; write one: bbox is [left, top, "
            "width, height] of its annotations, categories are its class-map",
        )
    if "data_row" in keys:
        return "Labelbox's NDJSON", "convert it to COCO"
    if keys.get("type") == '"' and "task" in keys:
        return (
            "Ultralytics' NDJSON",
            "convert it to YOLO with ultralytics.data.converter.convert_ndjson_to_yolo",
        )
    return None


def _record(tree: Tree, path: str) -> tuple[str, str]:
    return "TFRecord", "export the set as COCO, YOLO or Pascal VOC instead"


def _parquet(tree: Tree, path: str) -> tuple[str, str]:
    return (
        "Parquet",
        "load it with the library datasets, and write its images as files and its boxes as COCO",
    )


def _archive(tree: Tree, path: str) -> tuple[str, str]:
    return "an archive", f"unpack it into a folder of its own and give that as ROOT ({path})"


def _has(*keys: str) -> Callable[[Shape], bool]:
    return lambda content: content.kind == "{" and set(keys) <= content.keys.keys()


def _lists(*keys: str) -> Callable[[Shape], bool]:
    return lambda content: content.kind == "[" and set(keys) <= content.keys.keys()


def _is_via(content: Shape) -> bool:
    return (
        _has("_via_settings")(content)
        or _has("_via_img_metadata")(content)
        or (content.kind == "{" and {"filename", "regions", "size"} <= content.inner)
    )


def _is_minimal_label_studio(content: Shape) -> bool:
    return content.kind == "[" and {"annotator", "annotation_id"} <= content.keys.keys()


def _is_meta_of_supervisely(content: Shape) -> bool:
    return _has("classes")(content) and {"title", "shape"} <= content.inner


# Tool, way out, and what its JSON has.
_JSON: tuple[tuple[str, str, Callable[[Shape], bool]], ...] = (
    (
        "labelme's JSON",
        "convert it with labelme's own examples/instance_segmentation/labelme2coco.py",
        lambda content: (
            _has("shapes")(content)
            and bool({"imagePath", "imageData", "flags"} & content.keys.keys())
        ),
    ),
    ("VIA's JSON", "in VIA choose Annotation > Export Annotations (COCO format)", _is_via),
    (
        "Label Studio's JSON",
        "in Label Studio choose the export COCO or YOLO with Images",
        lambda content: (
            _lists("data", "annotations")(content) or _lists("data", "completions")(content)
        ),
    ),
    (
        "Label Studio's JSON_MIN",
        "in Label Studio choose the export COCO or YOLO with Images",
        _is_minimal_label_studio,
    ),
    (
        "Datumaro's JSON",
        "in CVAT export COCO 1.0; or: datum convert -if datumaro -i ROOT -f coco -- --save-media",
        lambda content: _has("items", "categories")(content),
    ),
    (
        "FiftyOne's own format",
        "export it with dataset_type=fiftyone.types.COCODetectionDataset",
        _has("samples"),
    ),
    (
        "Supervisely's JSON",
        "in Supervisely run the app Export to COCO",
        lambda content: _has("objects", "size")(content) or _is_meta_of_supervisely(content),
    ),
    (
        "CreateML's JSON",
        "export the set as COCO; in Roboflow choose COCO",
        lambda content: _lists("image", "annotations")(content),
    ),
    ("BDD100K's JSON", "convert it: python -m bdd100k.label.to_coco", _lists("name", "labels")),
    ("V7's Darwin JSON", "in V7 export the set as COCO", _has("item", "annotations")),
)
# Tool, way out, and columns that it has.
_TABLES: tuple[tuple[str, str, set[str]], ...] = (
    (
        "Open Images' CSV",
        "load it with FiftyOne and export fiftyone.types.COCODetectionDataset",
        {"ImageID", "LabelName", "XMin", "YMax"},
    ),
    (
        "VIA's CSV",
        "in VIA choose Annotation > Export Annotations (COCO format)",
        {"filename", "region_shape_attributes"},
    ),
    (
        "TensorFlow's CSV",
        "export the set as COCO; in Roboflow choose COCO",
        {"filename", "class", "xmin", "ymax"},
    ),
    (
        "Label Studio's CSV",
        "in Label Studio choose the export COCO or YOLO with Images",
        {"annotation_id", "lead_time"},
    ),
    ("a CSV of boxes", "convert it to COCO", {"xmin", "ymax"}),
)
_RECOGNISERS: tuple[tuple[tuple[str, ...], Callable[[Tree, str], tuple[str, str] | None]], ...] = (
    ((".json",), _json),
    ((".xml",), _xml),
    ((".manifest", ".jsonl", ".ndjson"), _lines_of_json),
    ((".csv",), _table),
    ((".txt",), _text),
    ((".tfrecord", ".tfrecords", ".record"), _record),
    ((".parquet",), _parquet),
    ((".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z"), _archive),
)


def _are_numbers(words: list[str]) -> bool:
    try:
        for word in words:
            float(word)
    except ValueError:
        return False
    return True


def _beginning(tree: Tree, path: str) -> str:
    return tree.beginning(path, _BYTES).decode("utf-8-sig", errors="replace")
