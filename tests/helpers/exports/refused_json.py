"""Exports in JSON that are not read: a line names the tool and what to choose there."""

from __future__ import annotations

from exports.export import CLASSES, HEIGHT, WIDTH, Export, refuses


@refuses("labelme's JSON", "labelme2coco.py")
def labelme(export: Export) -> None:
    export.images(".")
    for name, boxes in export.boxes.items():
        shapes = [
            {
                "label": label,
                "points": [[x, y], [x + w, y + h]],
                "group_id": None,
                "shape_type": "rectangle",
                "flags": {},
            }
            for label, x, y, w, h in boxes
        ]
        export.json(
            f"{name[:-4]}.json",
            {
                "version": "5.4.1",
                "flags": {},
                "shapes": shapes,
                "imagePath": name,
                "imageData": "A" * 400_000,
                "imageHeight": HEIGHT,
                "imageWidth": WIDTH,
            },
        )


def via_regions(export: Export) -> dict:
    return {
        f"{name}1234": {
            "filename": name,
            "size": 1234,
            "file_attributes": {},
            "regions": [
                {
                    "shape_attributes": {"name": "rect", "x": x, "y": y, "width": w, "height": h},
                    "region_attributes": {"class": label},
                }
                for label, x, y, w, h in boxes
            ],
        }
        for name, boxes in export.boxes.items()
    }


@refuses("VIA's JSON", "COCO format")
def via_json(export: Export) -> None:
    export.images(".")
    export.json("via_export_json.json", via_regions(export))


@refuses("VIA's JSON", "COCO format")
def via_project(export: Export) -> None:
    export.images(".")
    export.json(
        "via_project.json",
        {
            "_via_settings": {"ui": {}},
            "_via_img_metadata": via_regions(export),
            "_via_attributes": {},
            "_via_data_format_version": "2.0.10",
        },
    )


@refuses("Label Studio's JSON", "YOLO with Images")
def label_studio_json(export: Export) -> None:
    export.json(
        "project-1.json",
        [
            {
                "id": 1,
                "annotations": [
                    {
                        "id": 1,
                        "result": [
                            {
                                "original_width": WIDTH,
                                "original_height": HEIGHT,
                                "type": "rectanglelabels",
                                "value": {
                                    "x": 1.5,
                                    "y": 2,
                                    "width": 30,
                                    "height": 40,
                                    "rotation": 0,
                                    "rectanglelabels": ["can"],
                                },
                            }
                        ],
                    }
                ],
                "file_upload": "ab12cd34-a0.jpg",
                "data": {"image": "/data/upload/1/ab12cd34-a0.jpg"},
            }
        ],
    )


@refuses("Label Studio's JSON_MIN", "YOLO with Images")
def label_studio_json_min(export: Export) -> None:
    export.json(
        "project-1.json",
        [
            {
                "image": "/data/upload/1/ab12cd34-a0.jpg",
                "id": 1,
                "annotator": 1,
                "annotation_id": 1,
                "lead_time": 3.2,
                "label": [{"x": 1, "y": 2, "width": 30, "height": 40, "rectanglelabels": ["can"]}],
            }
        ],
    )


@refuses("Supervisely's JSON", "Export to COCO")
def supervisely(export: Export) -> None:
    export.json(
        "meta.json",
        {
            "classes": [
                {"title": name, "shape": "rectangle", "color": "#FF0000"} for name in CLASSES
            ],
            "tags": [],
        },
    )
    export.images("ds0/img")
    for name, boxes in export.boxes.items():
        objects = [
            {
                "classTitle": label,
                "geometryType": "rectangle",
                "tags": [],
                "points": {"exterior": [[x, y], [x + w, y + h]], "interior": []},
            }
            for label, x, y, w, h in boxes
        ]
        export.json(
            f"ds0/ann/{name}.json",
            {
                "description": "",
                "tags": [],
                "size": {"height": HEIGHT, "width": WIDTH},
                "objects": objects,
            },
        )


@refuses("Datumaro's JSON", "-f coco", "COCO 1.0")
def datumaro(export: Export) -> None:
    export.images("images/default")
    export.json(
        "annotations/default.json",
        {
            "info": {},
            "categories": {"label": {"labels": [{"name": name, "parent": ""} for name in CLASSES]}},
            "items": [
                {
                    "id": name[:-4],
                    "attr": {},
                    "image": {"path": name, "size": [HEIGHT, WIDTH]},
                    "annotations": [
                        {"id": 0, "type": "bbox", "label_id": 0, "bbox": [x, y, w, h]}
                        for _, x, y, w, h in boxes
                    ],
                }
                for name, boxes in export.boxes.items()
            ],
        },
    )


@refuses("FiftyOne's own format", "COCODetectionDataset")
def fiftyone(export: Export) -> None:
    export.images("data")
    export.json(
        "metadata.json", {"version": "1.0", "name": "cans", "media_type": "image", "classes": {}}
    )
    export.json(
        "samples.json",
        {
            "samples": [
                {
                    "filepath": f"data/{name}",
                    "ground_truth": {"_cls": "Detections", "detections": []},
                }
                for name in export.boxes
            ]
        },
    )


@refuses("SageMaker Ground Truth", "class-map")
def sagemaker(export: Export) -> None:
    export.images("images")
    for name, boxes in export.boxes.items():
        places = ", ".join(
            f'{{"class_id": 0, "left": {x}, "top": {y}, "width": {w}, "height": {h}}}'
            for _, x, y, w, h in boxes
        )
        with (export.root / "output.manifest").open("a", encoding="utf-8") as file:
            file.write(
                f'{{"source-ref": "s3://bucket/{name}", "job": {{"image_size": [{{"width": 64, "height": 48}}], '
                f'"annotations": [{places}]}}, "job-metadata": {{"class-map": {{"0": "can"}}}}}}\n'
            )


@refuses("CreateML's JSON", "COCO")
def roboflow_createml(export: Export) -> None:
    export.images("train")
    export.json(
        "train/_annotations.createml.json",
        [
            {
                "image": name,
                "annotations": [
                    {
                        "label": label,
                        "coordinates": {"x": x + w / 2, "y": y + h / 2, "width": w, "height": h},
                    }
                    for label, x, y, w, h in boxes
                ],
            }
            for name, boxes in export.boxes.items()
        ],
    )


@refuses("BDD100K's JSON", "to_coco")
def bdd100k(export: Export) -> None:
    export.images("images/100k/train")
    export.json(
        "labels/det_train.json",
        [
            {
                "name": name,
                "attributes": {},
                "labels": [
                    {
                        "id": "0",
                        "category": label,
                        "box2d": {"x1": x, "y1": y, "x2": x + w, "y2": y + h},
                    }
                    for label, x, y, w, h in boxes
                ],
            }
            for name, boxes in export.boxes.items()
        ],
    )


@refuses("whose images are not COCO's", '"images": [{"id": 1')
def coco_with_a_mapping_of_images(export: Export) -> None:
    export.images("images")
    images = {str(number): {"id": number, "file_name": name} for number, name in enumerate("ab")}
    export.json("a.json", {"images": images, "annotations": [], "categories": []})


@refuses("without the list images", '"images": [{"id": 1')
def coco_without_images(export: Export) -> None:
    export.images("images")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    export.json("a.json", {"annotations": [box], "categories": [{"id": 1, "name": "can"}]})


@refuses("a list of COCO's detections", "the lists images, annotations and categories")
def coco_detections(export: Export) -> None:
    export.images("images")
    export.json(
        "results.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
    )


@refuses("a compressed file", "unpack it (a.json.gz)")
def coco_compressed(export: Export) -> None:
    export.images("images")
    (export.root / "a.json.gz").write_bytes(b"\x1f\x8b")
