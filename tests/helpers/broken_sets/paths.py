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


@case("path_foreign", after="images/003.jpg")
def name_of_colab(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = "/content/drive/MyDrive/my set/images/003.jpg"


@case("path_foreign", after="images/003.jpg")
def name_of_local_files(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = "/data/local-files/?d=photos/003.jpg"


@case("path_foreign", after="images/0 3.jpg")
def name_with_an_address(broken: BrokenSet) -> None:
    rename(broken, 2, "0 3.jpg", "https://host.example/set/0%203.jpg?token=a#b")


@case("path_foreign", after="images/003.jpg")
def name_from_windows_of_an_image_here(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = "D:\\set\\003.jpg"


@case("path_foreign", after="images/003.jpg")
def name_that_climbs_to_an_image_here(broken: BrokenSet) -> None:
    broken.images[2]["file_name"] = "../../upload/003.jpg"


@case("path_foreign", after="images/003.jpg")
def all_names_with_a_folder_of_label_studio(broken: BrokenSet) -> None:
    for image in broken.images:
        image["file_name"] = f"images\\1/{image['file_name']}"


@case("path_foreign", after="images/b/003.jpg")
def name_of_the_longest_end(broken: BrokenSet) -> None:
    rename(broken, 2, "b/003.jpg", "/content/b/003.jpg")
    rename(broken, 4, "a/003.jpg", "a/003.jpg")


@case("path_absolute", action="drop", also="folder_unread")
def name_that_two_images_end_with(broken: BrokenSet) -> None:
    """Neither is meant more than the other, and no entry names them."""
    for folder in ("a", "b"):
        (broken.root / folder).mkdir()
        shutil.copy(broken.path(2), broken.root / folder / "twice.jpg")
    broken.add_image("/content/drive/twice.jpg")


@case("path_absolute", action="drop", also="folder_unread")
def two_names_that_claim_one_image(broken: BrokenSet) -> None:
    (broken.root / "a").mkdir()
    shutil.copy(broken.path(2), broken.root / "a" / "once.jpg")
    for folder in ("x", "y"):
        broken.add_image(f"/content/{folder}/once.jpg")


@case("path_absolute", action="drop")
def address_of_an_image_with_an_entry(broken: BrokenSet) -> None:
    broken.add_image("https://host.example/003.jpg")


@case("path_absolute", action="drop", also="folder_unread")
def name_of_an_image_of_a_split_of_its_own(broken: BrokenSet) -> None:
    (broken.root / "val").mkdir()
    shutil.copy(broken.path(2), broken.root / "val" / "added.png")
    broken.add_image("/content/drive/train/added.png")


@case("image_missing", says="train/added.png")
def name_that_ends_as_an_image_without_an_entry(broken: BrokenSet) -> None:
    """Where other names lead to files, val/added.png is another picture than the missing train/added.png."""
    (broken.root / "val").mkdir()
    shutil.copy(broken.path(2), broken.root / "val" / "added.png")
    broken.add_image("train/added.png")


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
    rename(
        broken,
        2,
        unicodedata.normalize("NFD", "사진.jpg"),
        unicodedata.normalize("NFC", "사진.jpg"),
    )


@case("path_unicode_form", after=unicodedata.normalize("NFC", "사진/a.jpg"))
def folder_in_parts_in_the_file(broken: BrokenSet) -> None:
    rename(
        broken,
        2,
        unicodedata.normalize("NFC", "사진/a.jpg"),
        unicodedata.normalize("NFD", "사진/a.jpg"),
    )


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


@case("folder_unread")
def folder_without_labels(broken: BrokenSet) -> None:
    (broken.root / "test").mkdir()
    for index in range(2):
        shutil.copy(broken.path(index), broken.root / "test")


@case("image_unreferenced")
def file_without_an_entry(broken: BrokenSet) -> None:
    shutil.copy(broken.path(6), broken.root / "images" / "lost.jpg")


def hostile(broken: BrokenSet) -> list[str]:
    """Names that are allowed, and that a page, a CSV file or a shell could take for something else."""
    names = [
        "<script>alert(1).jpg",
        "'; rm -rf $HOME;.jpg",
        "=cmd|' '!A1.jpg",
        "사진 1.jpg",
        "\u202egpj.exe.jpg",
        'a,b"c.jpg',
        "x" * 240 + ".jpg",
        "{{ 7 * 7 }}.jpg",
        "-.jpg",
        "%2e%2e.jpg",
    ]
    for index, name in enumerate(names):
        rename(broken, index, name, name)
    return [str(Path("images", name)) for name in names]
