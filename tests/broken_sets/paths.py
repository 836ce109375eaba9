"""File names, and what lies under them on the disk."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

from broken_sets.base import BrokenSet
from broken_sets.case import case


def rename(broken: BrokenSet, index: int, disk: str, said: str) -> None:
    """The file of an image, its name in the annotations, and what must come out."""
    old = broken.path(index)
    new = broken.root / "images" / disk
    new.parent.mkdir(parents=True, exist_ok=True)
    old.rename(new)
    broken.expected[f"images/{disk}"] = broken.expected.pop(f"images/{old.name}")
    broken.images[index]["file_name"] = said


@case("path_invalid")
def name_empty(broken: BrokenSet) -> None:
    broken.add_image("")


@case("path_invalid")
def name_with_a_nul(broken: BrokenSet) -> None:
    broken.add_image("a\0b.jpg")


@case("path_invalid")
def name_with_a_line_end(broken: BrokenSet) -> None:
    broken.add_image("a\nb.jpg")


@case("path_invalid")
def name_of_half_a_character(broken: BrokenSet) -> None:
    broken.add_image("\ud800.jpg")


@case("path_invalid")
def name_of_300_characters(broken: BrokenSet) -> None:
    broken.add_image("x" * 300 + ".jpg")


@case("path_invalid")
def name_of_many_folders(broken: BrokenSet) -> None:
    broken.add_image("folder/" * 1000 + "a.jpg")


@case("path_absolute", after="images/003.jpg")
def name_absolute_inside(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = str(broken.path(2))


@case("path_absolute", action="drop")
def name_absolute_outside(broken: BrokenSet) -> None:
    broken.add_image("/etc/hostname")


@case("path_absolute", action="drop", also="path_backslash")
def name_from_windows(broken: BrokenSet) -> None:
    broken.add_image("C:\\data\\a.jpg")


@case("path_climbs")
def name_with_dots(broken: BrokenSet) -> None:
    shutil.copy(broken.path(2), broken.root.parent / "outside.jpg")
    broken.add_image("../../outside.jpg")


@case("path_not_normal", after="images/003.jpg")
def name_with_a_detour(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = ".//x/../003.jpg"


@case("path_not_normal", also="file_name_duplicate")
def two_names_of_one_file(broken: BrokenSet) -> None:
    broken.images.append({**broken.images[2], "id": 77, "file_name": "./003.jpg"})
    broken.add_box([1, 2, 30, 40], image_id=77)
    broken.expect_box("003.jpg", "can", 1, 2, 30, 40, 200)


@case("path_backslash", after="images/sub/a.jpg")
def name_with_a_backslash(broken: BrokenSet) -> None:
    rename(broken, 2, "sub/a.jpg", "sub\\a.jpg")


@case("path_link_outside")
def link_out_of_the_root(broken: BrokenSet) -> None:
    shutil.copy(broken.path(2), broken.root.parent / "outside.jpg")
    broken.add_image().symlink_to(broken.root.parent / "outside.jpg")


@case("path_link_outside")
def link_to_a_folder_out_of_the_root(broken: BrokenSet) -> None:
    outside = broken.root.parent / "outside"
    outside.mkdir()
    shutil.copy(broken.path(2), outside / "a.jpg")
    broken.add_image("linked/a.jpg").parent.symlink_to(outside)


@case("path_case_clash")
def two_names_by_case(broken: BrokenSet) -> None:
    rename(broken, 2, "a.jpg", "a.jpg")
    rename(broken, 4, "A.jpg", "A.jpg")


@case("path_case_mismatch", after="images/003.jpg")
def name_in_another_case(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = "003.JPG"


@case("path_case_mismatch", after="images/Sub/a.jpg")
def folder_in_another_case(broken: BrokenSet) -> None:
    rename(broken, 2, "Sub/a.jpg", "sub/a.jpg")


@case("path_unicode_form", after=unicodedata.normalize("NFD", "사진.jpg"))
def name_in_parts_on_the_disk(broken: BrokenSet) -> None:
    rename(broken, 2, unicodedata.normalize("NFD", "사진.jpg"), unicodedata.normalize("NFC", "사진.jpg"))


@case("path_unicode_form", after=unicodedata.normalize("NFC", "사진/a.jpg"))
def folder_in_parts_in_the_file(broken: BrokenSet) -> None:
    rename(broken, 2, unicodedata.normalize("NFC", "사진/a.jpg"), unicodedata.normalize("NFD", "사진/a.jpg"))


@case("image_missing", says="added.png")
def file_absent(broken: BrokenSet) -> None:
    broken.add_image()


@case("image_missing")
def folder_absent(broken: BrokenSet) -> None:
    broken.add_image("none/added.png")


@case("image_missing")
def name_that_two_files_could_mean(broken: BrokenSet) -> None:
    for name in ("added.PNG", "Added.png"):
        shutil.copy(broken.path(2), broken.root / "images" / name)
    broken.add_image("ADDED.png")


@case("image_unreferenced")
def file_without_an_entry(broken: BrokenSet) -> None:
    shutil.copy(broken.path(6), broken.root / "images" / "lost.jpg")


def hostile(broken: BrokenSet) -> list[str]:
    """Names that are allowed, and that a page, a CSV file or a shell could take for something else."""
    names = ["<script>alert(1).jpg", "'; rm -rf $HOME;.jpg", "=cmd|' '!A1.jpg", "사진 1.jpg",
             "\u202egpj.exe.jpg", "a,b\"c.jpg", "x" * 240 + ".jpg", "{{ 7 * 7 }}.jpg", "-.jpg", "%2e%2e.jpg"]
    for index, name in enumerate(names):
        rename(broken, index, name, name)
    return [str(Path("images", name)) for name in names]
