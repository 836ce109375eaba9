"""Exports that are read, each with the files that must be recognised."""

from __future__ import annotations

import re

from exports.export import CLASSES, Export, reads


@reads("coco", train=("annotations/instances_default.json", "images/default"))
def cvat_coco_of_a_task(export: Export) -> None:
    export.images("images/default")
    export.coco("annotations/instances_default.json")


@reads(
    "coco",
    train=("annotations/instances_Train.json", "images/Train"),
    val=("annotations/instances_Validation.json", "images/Validation"),
    test=("annotations/instances_Test.json", "images/Test"),
)
def cvat_coco_of_a_project(export: Export) -> None:
    for split, subset in (("train", "Train"), ("val", "Validation"), ("test", "Test")):
        export.images(f"images/{subset}", split)
        export.coco(f"annotations/instances_{subset}.json", split)


@reads("voc", train=("ImageSets/Main/default.txt", "JPEGImages"))
def cvat_voc(export: Export) -> None:
    export.text(
        "labelmap.txt", "# label:color_rgb:parts:actions", "can:250,50,83::", "bag:51,221,255::"
    )
    export.text("ImageSets/Main/default.txt", *(name[:-4] for name in export.names("")))
    export.images("JPEGImages")
    export.voc("Annotations")


@reads("yolo", train=("obj_train_data", "obj_train_data"))
def cvat_yolo(export: Export) -> None:
    export.text("obj.names", *CLASSES)
    export.text(
        "obj.data",
        "classes = 2",
        "train = data/train.txt",
        "names = data/obj.names",
        "backup = backup/",
    )
    export.text("train.txt", *(f"data/obj_train_data/{name}" for name in export.names("")))
    export.images("obj_train_data")
    export.yolo("obj_train_data")


@reads(
    "yolo", train=("labels/Train", "images/Train"), val=("labels/Validation", "images/Validation")
)
def cvat_ultralytics(export: Export) -> None:
    export.text(
        "data.yaml",
        "Train: Train.txt",
        "Validation: Validation.txt",
        "names:",
        "  0: can",
        "  1: bag",
        "path: .",
    )
    export.boxes.popitem()
    for split, subset in (("train", "Train"), ("val", "Validation")):
        export.text(
            f"{subset}.txt", *(f"data/images/{subset}/{name}" for name in export.names(split))
        )
        export.images(f"images/{subset}", split)
        export.yolo(f"labels/{subset}", split)


@reads(
    "coco",
    train=("annotations/instances_train.json", "images/train"),
    val=("annotations/instances_val.json", "images/val"),
    test=("annotations/instances_test.json", "images/test"),
)
def datumaro_coco(export: Export) -> None:
    for split in ("train", "val", "test"):
        export.images(f"images/{split}", split)
        export.coco(f"annotations/instances_{split}.json", split)


@reads("coco", train=("labels.json", "data"))
def fiftyone_coco(export: Export) -> None:
    export.images("data")
    export.coco("labels.json")


@reads("voc", train=("labels", "data"))
def fiftyone_voc(export: Export) -> None:
    export.images("data")
    export.voc("labels")


@reads("yolo", train=("labels/val", "images/val"))
def fiftyone_yolo(export: Export) -> None:
    """Its only split is called val where nobody says another."""
    export.text(
        "dataset.yaml",
        "names:",
        "  0: can",
        "  1: bag",
        "path: /home/somebody/export",
        "val: ./images/val/",
    )
    export.images("images/val")
    export.yolo("labels/val")


@reads("coco", train=("result.json", ""))
def label_studio_coco(export: Export) -> None:
    export.images("images")
    export.coco("result.json", start="images/")


@reads("coco", train=("result.json", ""))
def label_studio_coco_of_windows(export: Export) -> None:
    export.images("images")
    export.coco("result.json", start="images\\1/")


@reads("coco", train=("result.json", ""))
def label_studio_coco_of_local_files(export: Export) -> None:
    export.images("images")
    export.coco("result.json", start="/data/local-files/?d=photos/2024/")


@reads("voc", train=("Annotations", "images"))
def label_studio_voc(export: Export) -> None:
    export.images("images")
    export.voc("Annotations")


@reads("yolo", train=("labels", "images"))
def label_studio_yolo(export: Export) -> None:
    export.text("classes.txt", *CLASSES)
    export.json(
        "notes.json",
        {
            "categories": [{"id": 0, "name": "can"}, {"id": 1, "name": "bag"}],
            "info": {"year": 2024, "version": "1.0", "contributor": "Label Studio"},
        },
    )
    export.images("images")
    export.yolo("labels")


@reads("voc", train=(".", ""))
def labelimg_voc(export: Export) -> None:
    export.images(".")
    export.voc(".", path="C:\\Users\\somebody\\")


@reads("voc", train=("Annotations", "images"))
def voc_in_a_namespace(export: Export) -> None:
    """As converters write it that keep to a schema."""
    in_a_namespace(export, "", '<annotation xmlns="http://example.org/voc">')


@reads("voc", train=("Annotations", "images"))
def voc_with_the_prefix_of_a_namespace(export: Export) -> None:
    in_a_namespace(export, "ns:", '<ns:annotation xmlns:ns="http://example.org/voc">')


def in_a_namespace(export: Export, prefix: str, start: str) -> None:
    export.images("images")
    export.voc("Annotations")
    for path in (export.root / "Annotations").iterdir():
        text = re.sub("<(/?)([a-z])", rf"<\1{prefix}\2", path.read_text())
        path.write_text(text.replace(f"<{prefix}annotation>", start))


@reads("coco", train=("a.json", "images"))
def coco_with_a_list_images_of_its_info(export: Export) -> None:
    export.images("images")
    export.coco("a.json")
    text = (export.root / "a.json").read_text()
    (export.root / "a.json").write_text(text.replace("{", '{"about": {"images": ["a", "b"]}, ', 1))


@reads("yolo", train=(".", "."))
def labelimg_yolo(export: Export) -> None:
    export.text("classes.txt", *CLASSES)
    export.images(".")
    export.yolo(".")


@reads("yolo", train=(".", "."))
def yolo_of_windows_notepad(export: Export) -> None:
    """A byte order mark at the start of each file."""
    labelimg_yolo(export)
    for path in export.root.glob("*.txt"):
        path.write_text(path.read_text(), encoding="utf-8-sig")


@reads(
    "coco",
    train=("train/_annotations.coco.json", "train"),
    val=("valid/_annotations.coco.json", "valid"),
    test=("test/_annotations.coco.json", "test"),
)
def roboflow_coco(export: Export) -> None:
    export.text("README.dataset.txt", "cans > 2024-01-01")
    for split, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        export.images(folder, split)
        export.coco(f"{folder}/_annotations.coco.json", split)


@reads("voc", train=("train", "train"), val=("valid", "valid"), test=("test", "test"))
def roboflow_voc(export: Export) -> None:
    export.text("README.dataset.txt", "cans > 2024-01-01")
    for split, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        export.images(folder, split)
        export.voc(folder, split)


@reads(
    "yolo",
    train=("train/labels", "train/images"),
    val=("valid/labels", "valid/images"),
    test=("test/labels", "test/images"),
)
def roboflow_yolo(export: Export) -> None:
    export.text(
        "data.yaml",
        "train: ../train/images",
        "val: ../valid/images",
        "test: ../test/images",
        "nc: 2",
        "names: ['can', 'bag']",
    )
    for split, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        export.images(f"{folder}/images", split)
        export.yolo(f"{folder}/labels", split)


@reads("coco", train=("annotations/instances.json", "images"))
def supervisely_coco(export: Export) -> None:
    export.images("images")
    export.coco("annotations/instances.json")


@reads("coco", train=("via_export_coco.json", ""))
def via_coco(export: Export) -> None:
    export.images(".")
    export.coco("via_export_coco.json")


@reads("yolo", train=("labels/train", "images/train"), val=("labels/val", "images/val"))
def ultralytics(export: Export) -> None:
    export.text(
        "coco8.yaml",
        "path: coco8",
        "train: images/train",
        "val: images/val",
        "names:",
        "  0: can",
        "  1: bag",
    )
    export.boxes.popitem()
    for split in ("train", "val"):
        export.images(f"images/{split}", split)
        export.yolo(f"labels/{split}", split)


@reads(
    "voc",
    train=("ImageSets/Main/train.txt", "JPEGImages"),
    val=("ImageSets/Main/val.txt", "JPEGImages"),
)
def voc_devkit(export: Export) -> None:
    export.boxes.popitem()
    export.images("JPEGImages")
    export.voc("Annotations")
    for split in ("train", "val"):
        export.text(f"ImageSets/Main/{split}.txt", *(name[:-4] for name in export.names(split)))
        export.text(
            f"ImageSets/Main/can_{split}.txt", *(f"{name[:-4]}  1" for name in export.names(split))
        )
    export.text("ImageSets/Main/trainval.txt", *(name[:-4] for name in export.names("")))


@reads(
    "coco",
    train=("annotations/instances_train2017.json", "train2017"),
    val=("annotations/instances_val2017.json", "val2017"),
)
def coco_2017(export: Export) -> None:
    export.boxes.popitem()
    for split in ("train", "val"):
        export.images(f"{split}2017", split)
        export.coco(
            f"annotations/instances_{split}2017.json", split, segmentation=[[1, 1, 9, 1, 9, 9]]
        )
        export.coco(
            f"annotations/person_keypoints_{split}2017.json",
            split,
            keypoints=[0] * 51,
            num_keypoints=0,
        )
        export.coco(f"annotations/captions_{split}2017.json", split, caption="A can beside a bag.")


@reads("coco", train=("train.json", ""), test=("test.json", ""))
def kaggle_coco(export: Export) -> None:
    """A test file without labels."""
    [hidden] = export.names("test")
    [absent] = export.names("val")
    export.images("train", "train")
    export.images("test", "test")
    export.coco("train.json", "train", start="train/")
    export.json(
        "test.json",
        {"images": [{"id": 1, "file_name": f"test/{hidden}", "width": 64, "height": 48}]},
    )
    export.boxes[hidden] = []
    del export.boxes[absent]
