"""Exports in XML, CSV, text and archives that are not read: a line names the tool and what to choose there."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

from exports.export import CLASSES, HEIGHT, WIDTH, Export, refuses


@refuses("CVAT's own XML", "COCO 1.0")
def cvat_xml(export: Export) -> None:
    export.images("images")
    images = []
    for number, (name, boxes) in enumerate(export.boxes.items()):
        inner = "".join(
            f'<box label="{label}" source="manual" occluded="0" xtl="{x}" ytl="{y}" xbr="{x + w}" '
            f'ybr="{y + h}" z_order="0"></box>'
            for label, x, y, w, h in boxes
        )
        images.append(
            f'<image id="{number}" name="{name}" width="{WIDTH}" height="{HEIGHT}">{inner}</image>'
        )
    export.text(
        "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "<version>1.1</version>",
        "<meta><job><id>1</id></job></meta>",
        *images,
        "</annotations>",
    )


@refuses("VIA's CSV", "COCO format")
def via_csv(export: Export) -> None:
    export.images(".")
    export.text(
        "via_export_csv.csv",
        "filename,file_size,file_attributes,region_count,region_id,"
        "region_shape_attributes,region_attributes",
        'a0.jpg,1234,"{}",1,0,"{""name"":""rect""}","{}"',
    )


@refuses("labels of YOLO, and no image", "YOLO with Images")
def label_studio_yolo_without_images(export: Export) -> None:
    export.text("classes.txt", *CLASSES)
    export.yolo("labels")


@refuses("Open Images' CSV", "COCODetectionDataset")
def open_images(export: Export) -> None:
    export.images("data")
    export.text(
        "labels/detections.csv",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,"
        "IsTruncated,IsGroupOf,IsDepiction,IsInside",
        "a0,xclick,/m/02dl1y,1,0.1,0.5,0.2,0.6,0,0,0,0,0",
    )


@refuses("KITTI's text", "datum convert")
def kitti(export: Export) -> None:
    export.images("image_2")
    for name, boxes in export.boxes.items():
        export.text(
            f"label_2/{name[:-4]}.txt",
            *(
                f"{label} 0.00 0 0.00 {x} {y} {x + w} {y + h} 0.00 0.00 0.00 0.00 0.00 0.00 0.00"
                for label, x, y, w, h in boxes
            ),
        )


@refuses("TensorFlow's CSV", "COCO")
def roboflow_tensorflow(export: Export) -> None:
    export.images("train")
    export.text(
        "train/_annotations.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax",
        *(
            f"{name},{WIDTH},{HEIGHT},{label},{x},{y},{x + w},{y + h}"
            for name, boxes in export.boxes.items()
            for label, x, y, w, h in boxes
        ),
    )


@refuses("TFRecord", "COCO")
def roboflow_tfrecord(export: Export) -> None:
    (export.root / "train").mkdir()
    (export.root / "train/cans.tfrecord").write_bytes(b"\x10\x00\x00")
    export.text("train/cans_label_map.pbtxt", 'item { name: "can", id: 1 }')


@refuses("LabelMe's XML", "with boxes")
def cvat_labelme(export: Export) -> None:
    for name in export.boxes:
        export.image(f"default/{name}", name)
        export.text(
            f"default/{name[:-4]}.xml",
            "<annotation>",
            f"<filename>{name}</filename>",
            "<object>",
            "<name>can</name><polygon><pt><x>1</x><y>2</y></pt></polygon>",
            "</object>",
            "</annotation>",
        )


@refuses("DOTA's text", "COCO")
def dota(export: Export) -> None:
    export.images("images")
    for name, boxes in export.boxes.items():
        export.text(
            f"labelTxt/{name[:-4]}.txt",
            "imagesource:GoogleEarth",
            "gsd:0.1",
            *(
                f"{x} {y} {x + w} {y} {x + w} {y + h} {x} {y + h} {label} 0"
                for label, x, y, w, h in boxes
            ),
        )


@refuses("VisDrone's", "COCO or YOLO")
def visdrone(export: Export) -> None:
    export.images("images")
    for name, boxes in export.boxes.items():
        export.text(
            f"annotations/{name[:-4]}.txt", *(f"{x},{y},{w},{h},1,4,0,0" for _, x, y, w, h in boxes)
        )


def yolo_lines(export: Export, change: Callable[[str], str], encoding: str = "utf-8") -> None:
    """YOLO's layout, with its lines changed."""
    export.images("images/train")
    export.text("data.yaml", "names: [cup, lid]")
    for name in export.boxes:
        path = export.root / "labels/train" / f"{name[:-4]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(change("0 0.5 0.5 0.1 0.2\n"), encoding=encoding)


@refuses("commas between its numbers", "`class x y width height`", "not `0,0.5,0.5,0.1,0.2`")
def yolo_with_commas_between(export: Export) -> None:
    yolo_lines(export, lambda line: line.replace(" ", ","))


@refuses("commas in its numbers", "`class x y width height`")
def yolo_with_decimal_commas(export: Export) -> None:
    yolo_lines(export, lambda line: line.replace(".", ","))


@refuses("names of classes", "data.yaml")
def yolo_with_names(export: Export) -> None:
    yolo_lines(export, lambda line: line.replace("0 ", "cup ", 1))


@refuses("text in UTF-16", "save such files as UTF-8")
def yolo_in_utf16(export: Export) -> None:
    yolo_lines(export, str, "utf-16")


@refuses("Parquet", "datasets")
def hugging_face(export: Export) -> None:
    export.text("README.md", "---", "configs: []", "---")
    (export.root / "data").mkdir()
    (export.root / "data/train-00000-of-00001.parquet").write_bytes(b"PAR1")


@refuses("an archive", "unpack it")
def archive(export: Export) -> None:
    with zipfile.ZipFile(export.root / "export.zip", "w") as file:
        file.writestr("annotations/instances_default.json", "{}")


@refuses("neither COCO", "export your set")
def images_alone(export: Export) -> None:
    export.images("photos")
