"""Pascal VOC files as CVAT writes them, and files whose <filename> is not the image that they label."""

from __future__ import annotations

import shutil

from broken_sets.base import BrokenSet
from broken_sets.case import case

XML = "Annotations/003.xml"


@case("filename_stale", kind="voc", after="003.jpg")
def filenames_of_other_images(broken: BrokenSet) -> None:
    """Renumbered: both images are there, and MMDetection would go by the names of the XML files."""
    broken.edit(XML, lambda text: text.replace("003.jpg", "004.png"))
    broken.edit("Annotations/004.xml", lambda text: text.replace("004.png", "003.jpg"))


@case("filename_stale", kind="voc", after="003.jpg")
def filename_of_an_image_that_is_gone(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "DSC_0815.jpg"))


@case("filename_incomplete", kind="voc", after="003.jpg")
def filename_without_a_suffix(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "003"))


@case("filename_incomplete", kind="voc", after="003.jpg")
def filename_of_another_format(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "003.bmp"))


@case("filename_incomplete", kind="voc", after="003.jpg")
def filename_with_a_path_of_windows(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "C:\\Users\\u\\images\\003.jpg"))


@case("filename_incomplete", kind="voc", after="003.jpg")
def filename_with_a_path_of_another_machine(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "/home/u/images/003.jpg"))


@case("filename_incomplete", kind="voc", after="003.jpg")
def filename_without_a_suffix_in_an_xml_of_another_name(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "003"))
    (broken.root / XML).rename(broken.root / "Annotations" / "labels of the third.xml")


@case("path_case_mismatch", kind="voc", after="003.jpg")
def filename_in_capitals(broken: BrokenSet) -> None:
    broken.edit(XML, lambda text: text.replace("003.jpg", "003.JPG"))


@case("filename_incomplete", kind="voc", after="a/003.jpg")
def filename_without_its_folder(broken: BrokenSet) -> None:
    """Another image of that name lies one folder higher."""
    for folder, suffix in (("Annotations", ".xml"), ("images", ".jpg")):
        (broken.root / folder / "a").mkdir()
        shutil.move(
            broken.root / folder / f"003{suffix}", broken.root / folder / "a" / f"003{suffix}"
        )
    shutil.copy(broken.root / "images" / "005.jpg", broken.root / "images" / "003.jpg")
    shutil.move(broken.root / "Annotations" / "005.xml", broken.root / "Annotations" / "003.xml")
    broken.edit(XML, lambda text: text.replace("005.jpg", "003.jpg"))
    (broken.root / "images" / "005.jpg").unlink()
    broken.expected["images/a/003.jpg"] = broken.expected.pop("images/003.jpg")
    broken.expected["images/003.jpg"] = broken.expected.pop("images/005.jpg")


@case("box_rotated", kind="voc", after="12.00 19.00 16.00 22.00")
def object_turned_by_a_quarter(broken: BrokenSet) -> None:
    broken.edit(
        XML,
        lambda text: text.replace(
            "</annotation>",
            "<object><name>can</name><bndbox><xmin>10</xmin><ymin>23</ymin><xmax>31</xmax>"
            "<ymax>38</ymax></bndbox><attributes><attribute><name>rotation</name><value>90.0</value></attribute>"
            "</attributes></object></annotation>",
        ),
    )
    broken.expect_box("003.jpg", "can", 12, 19, 16, 22, 352)
