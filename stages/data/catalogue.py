"""Every fault that prepare looks for: its stable code, severity, and what may be done about it.

`data.policy` in params.yaml picks another action for a code. docs/data-checks.md is written from
this table: python -m stages.data.catalogue > docs/data-checks.md
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from stages.study.strict import StudyError

SEVERITIES = ("error", "warning", "info")
# As params.yaml says them, and what a report says has happened.
DONE = {"fatal": "fatal", "drop": "dropped", "repair": "repaired", "keep": "kept"}


@dataclass(frozen=True)
class Check:
    """`actions` are those that a policy may name, the default first; `unit` is what is counted."""

    code: str
    severity: str
    actions: tuple[str, ...]
    unit: str
    title: str
    help: str


def _table(text: str) -> dict[str, Check]:
    checks = {}
    for line in text.strip().splitlines():
        code, severity, actions, *texts = line.split(" | ")
        checks[code] = Check(code, severity, tuple(actions.split()), *texts)
    return checks


# ruff: noqa: E501
CHECKS = _table("""
annotation_file_missing | error | fatal | files | annotation file that is not there | Set data.root and the split's annotations in params.yaml.
annotation_file_empty | error | fatal | files | annotation file without content | Write the file again; nothing can be read from it.
annotation_file_unreadable | error | fatal | files | annotation file that cannot be opened | Give the file read permission; a folder is no file.
file_not_utf8 | error | fatal | files | text that is not UTF-8 | Save the file as UTF-8: names in another encoding would change.
file_bom | info | repair keep | files | byte order mark at the start of the file | Some readers refuse it; it was skipped.
json_truncated | error | fatal | files | JSON that ends too early | The file was cut short while it was written or copied; copy it again.
json_invalid | error | fatal | files | JSON that cannot be parsed | Mend the place that is named.
json_nan | error | keep fatal | literals | NaN or Infinity literals | They are not JSON and most readers refuse them; the boxes that hold them are treated as box_not_finite.
json_duplicate_key | warning | keep fatal | objects | objects that have a key twice | JSON readers keep the last value without a word; so does prepare.
coco_list_missing | error | fatal | files | COCO file without its lists | A COCO file has the lists images, annotations and categories; only a test set may lack annotations.
label_file_broken | error | drop fatal | files | label files that cannot be read | XML or text of one image; its boxes are unknown, so it is left out.
names_missing | error | fatal | files | no list of class names | YOLO labels need data.yaml (names: [...]) or classes.txt in data.root.
names_count | warning | keep fatal | files | nc of another number than names | The names were taken as they are listed. YOLO refuses such a file: look for a name that was lost.
class_numbers_from_one | error | fatal repair keep | files | YOLO labels that number the classes from 1 | YOLO numbers them from 0. No label has class 0 and some have the number of classes: read as they are, every box has the name of the class after its own. repair takes 1 from each number of the set.
class_zero_unused | warning | keep fatal | files | YOLO labels in which class 0 alone is not used | All other classes are. If the labels number the classes from 1 and the last one has no box, every box has the name of the class after its own: look at the pictures. data.policy.class_numbers_from_one: repair takes 1 from each number.
names_comment | warning | keep fatal | lines | lines with # in a list of class names | Each line is a class, so this one is too, and the classes after it have a number more than without it. Take the line out where the labels were made without it.
names_differ | warning | keep fatal | files | lists of class names that differ | Those of data.yaml, or else of the first file, were taken. Labels that were made by the other list have other classes.
category_ids_from_zero | info | repair | files | category ids that start at 0 | Renumbered from 1.
category_id_gaps | info | repair | categories | gaps in the category ids | Renumbered without gaps; models count classes without them.
category_order | info | repair | files | categories that are not listed in the order of their ids | The order of the ids is the order of the classes.
category_ids_differ | warning | repair fatal | categories | categories with another id than in the first file | Matched by name. Read by id, every box would change its class.
category_id_duplicate | error | fatal | categories | one id for several categories | The class of their boxes cannot be told.
category_name_duplicate | warning | repair fatal | categories | one name for several categories | Joined to one class: MMDetection tells classes apart by their name. Where both are meant, give one another name.
category_name_spaces | warning | repair keep | categories | names with spaces or control characters that do not belong | Trimmed, and runs of them made one space.
category_name_variant | warning | keep repair fatal | categories | names that differ by case, separators or Unicode form only | Each is a class of its own. data.policy.category_name_variant: repair reads the name in a later file as the earlier spelling; two categories of one file are never joined.
category_name_not_text | warning | repair fatal | categories | names that are numbers, or true and false | The text that JSON has for them was taken; 1.10 and 1.1 are one number.
category_name_empty | error | fatal | categories | categories without a name | Classes are matched by name; give each one.
category_unknown | error | fatal drop | categories | categories that the train set does not have | A model cannot learn them. drop leaves out their boxes.
category_not_listed | info | keep | categories | categories of the train set that another file does not list | Their boxes are 0 there.
category_unused | warning | keep fatal | categories | categories without a single box | The model learns nothing of them, and their AP is n/a.
category_rare | warning | keep fatal | categories | categories with too few boxes to learn or to measure | Fewer boxes than data.rare_boxes: no verdict can rest on them.
entry_incomplete | error | drop fatal | entries | entries that lack a required field | An image needs id and file_name, an annotation image_id, category_id and bbox.
id_not_integer | warning | repair fatal | entries | ids that are not whole numbers | pycocotools compares ids as they are; renumbered.
image_id_duplicate | error | fatal drop | entries | one id for several images | Which of them a box belongs to cannot be told. drop leaves out the images and their boxes.
image_entry_duplicate | warning | repair fatal | entries | images that are listed twice | The same id and file; the second entry was left out.
file_name_duplicate | warning | repair fatal | entries | several entries for one image file | Joined to one image that has the boxes of all.
image_ids_from_zero | info | repair | files | image ids that start at 0 | Renumbered from 1.
annotation_ids_from_zero | warning | repair | files | annotation ids that start at 0 | pycocotools takes id 0 for "no match" and loses the box without a word; renumbered from 1.
annotation_id_duplicate | warning | repair fatal | entries | annotation ids that occur twice | pycocotools keeps the last one only; renumbered.
annotation_id_missing | info | repair | entries | annotations without an id | Numbered.
annotation_image_unknown | error | drop fatal | entries | annotations of an image that is not listed | There is nothing to train on.
ids_off_by_one | error | fatal keep | files | ids of which each is one more or one less than those listed | One of the two lists counts from 0 and the other from 1: read as they are, every box has another class or another image. Number both alike.
annotation_category_unknown | error | drop fatal | entries | annotations of a category that is not listed | Their class cannot be told.
fields_not_copied | info | keep | entries | fields beyond detection | Segmentations, attributes and lists stay in your file; source_id leads back to them.
filename_stale | warning | repair keep fatal | entries | VOC files whose <filename> is another image | Files were renamed after they were labelled: the image of the XML's own name was taken, as most readers do. keep goes by <filename>.
filename_incomplete | info | repair fatal | entries | VOC files whose <filename> has another suffix or folder than the image | The image of that name was taken.
voc_from_zero | warning | keep fatal | files | VOC boxes with xmin or ymin 0 | VOC counts pixels from 1, so 1 was taken from all corners. Where a program counted from 0, every box is a pixel too far left and up: add 1 to them.
difficult_as_crowd | info | keep | entries | VOC objects marked difficult | Carried over as iscrowd: neither trained on nor counted as missed.
polygon_as_box | info | repair drop | entries | YOLO polygons in place of boxes | The box around the polygon was taken.
keypoints_dropped | info | repair fatal | entries | YOLO boxes with keypoints | The box of the first four numbers was taken, by kpt_shape of data.yaml or because it holds the keypoints.
confidence_dropped | warning | repair drop fatal | entries | YOLO boxes with a confidence | Predictions rather than labels? The box of the first four numbers was taken.
track_dropped | info | repair fatal | entries | YOLO boxes with the number of a track | The box of the first four numbers was taken. Images of one video are much alike: where they are, data.group keeps them on one side of a split.
line_read_otherwise | error | fatal keep | files | YOLO labels with a number beside the box that is neither a confidence nor a track at its end | Boxes read from such lines are wrong. Write the class, then x, y, width and height of an upright box, as shares of the image.
line_doubtful | error | drop keep fatal | entries | YOLO lines that may be keypoints or polygons | Write kpt_shape: [keypoints, 2 or 3 numbers each] into data.yaml. keep takes them for polygons.
label_file_shared | warning | keep fatal | files | label files of several images | YOLO looks for labels by an image's name without its suffix, so images that differ by that alone have the same boxes. If they are different pictures, rename one.
label_without_image | warning | keep fatal | entries | label files without an image | Nothing can be trained on; often an image was lost or renamed.
path_invalid | error | drop fatal | files of images | file names that no file system takes | Empty, too long or with control characters.
path_foreign | warning | repair drop fatal | files of images | file names of another machine | Addresses, paths that lead out of data.root, or names of which none leads to a file here: the file of the set with the longest common end was taken, where it is the only one and no other name claims it.
path_absolute | error | repair drop fatal | files of images | absolute file names and addresses | Made relative to data.root where they lie inside; dropped where they do not.
path_climbs | error | drop fatal | files of images | file names that climb out of data.root | Files outside the set are never opened.
path_not_normal | info | repair fatal | files of images | file names with ./, .. or // inside | Written in their shortest form.
path_backslash | warning | repair fatal | files of images | file names with backslashes | Made slashes, as on every other system.
path_link_outside | error | drop keep fatal | files of images | links that lead out of data.root | Files outside the set are not opened, but for those of DVC's cache; keep trusts them. DVC does not notice changes behind a link to a folder: dvc repro --force prepare.
path_case_clash | warning | keep fatal | files of images | file names that differ by case only | They are one file on Windows and macOS.
path_case_mismatch | warning | repair fatal | files of images | file names in another case than the file | The file's own name was taken.
path_unicode_form | warning | repair fatal | files of images | file names in another Unicode form than the file | macOS writes accents and Hangul in parts; the file's own name was taken.
image_missing | error | fatal drop | files of images | images that are not there | Restore them or check data.root and the split's images folder. drop goes on without them.
image_unreferenced | info | keep | files of images | image files that no entry names | They take no part; often their labels were lost.
folder_unread | warning | keep fatal | folders | folders of images that no label names | They take no part, and a split that has no files is made of the other images. Name their labels under data in params.yaml, or move the folder out of the set.
image_empty_file | error | drop fatal | files of images | image files of 0 bytes | Copy them again.
image_not_an_image | error | drop fatal | files of images | files that are no image | Text, HTML or another format under an image's name. Save HEIC and AVIF as JPEG or PNG.
image_unreadable | error | drop fatal | files of images | image files that cannot be opened | A folder, a broken link or no permission.
image_truncated | error | drop fatal | files of images | images that end too early | OpenCV fills the rest with grey without a word, and a model trains on it.
image_corrupt | error | drop fatal | files of images | images that cannot be decoded | Copy them again.
image_unsupported | error | drop fatal | files of images | images that OpenCV cannot decode | OpenCV decodes them in training, and stops at TIFF of 32 bits, of ZSTD or LZMA, and at other rare kinds. Save them as PNG or JPEG, or as TIFF of 8 bits.
image_too_large | error | drop fatal | files of images | images of more pixels than can be decoded safely | Over 179 million pixels: a decompression bomb, or a picture to be cut into tiles.
image_cmyk | warning | keep drop | files of images | CMYK images | OpenCV turns them to BGR without a colour profile; colours may be off.
image_16bit | warning | keep drop | files of images | images with more than 8 bits a channel | A training sees the upper 8 bits of 16: values to 4095 become 0 to 15. Where a file uses the lower ones, spread its values to 65535 or save 8 bits.
image_black | warning | keep drop fatal | files of images | images that are black, or nearly | No value is over 15 of 255 as OpenCV decodes them for training. Often a picture of 12 or 8 bits in a file of 16: spread its values to 65535 or save 8 bits.
image_single_colour | warning | keep drop fatal | files of images | images of a single colour | All pixels are alike as OpenCV decodes them for training: there is nothing to learn.
image_greyscale | info | keep drop | files of images | greyscale images | Loaded as three equal channels.
image_alpha | info | keep drop | files of images | images with transparency | The alpha channel is dropped; what it hid becomes visible.
image_animated | warning | keep drop | files of images | images of several frames | The first frame is used.
image_bytes_duplicate | warning | keep drop fatal | files of images | image files with the same bytes | A split that prepare makes has all of them or none. drop leaves out the later ones of a split with their boxes.
exif_conflict | error | repair keep drop fatal | files of images | images that EXIF turns, labelled as they are stored | MMDetection shows the image turned, so width, height and boxes were turned with it.
exif_orientation | info | keep drop | files of images | images that EXIF turns | Their declared size is that of the picture as it is shown, so the boxes are taken to fit. After half a turn or a mirroring sizes cannot tell: look at them.
image_size_missing | warning | repair drop fatal | files of images | images without a declared size | Taken from the file.
image_resized | error | repair keep drop fatal | files of images | images scaled after they were labelled | Declared and real size differ by one factor, so the boxes were scaled by it. keep sets the size and leaves the boxes.
image_size_wrong | error | repair drop fatal | files of images | images of another size than declared | The file's size was taken and the boxes left as they are; look at them.
near_duplicates | info | keep | pairs of images | images that look alike | A split that prepare makes has both or none; where your own files part them, split_group_shared says so. See data.near_duplicate_bits.
box_malformed | error | drop fatal | boxes | boxes that are not four numbers | [x, y, width, height] in pixels is expected.
box_not_finite | error | drop fatal | boxes | boxes with NaN, infinity or numbers over a thousand million | One of them turns a whole training to NaN.
box_normalised | error | repair fatal | boxes | files whose boxes are shares of the image | Of 95 boxes in 100 every number lies in 0..1; scaled to pixels.
box_corner_encoded | error | repair keep fatal | boxes | files whose boxes are x1, y1, x2, y2 | COCO says x, y, width, height, YOLO the middle in place of x, y. Read so, they leave the image; read as corners, all fit.
box_read_otherwise | error | fatal keep | files | files whose boxes have their numbers in another order or unit than the format has | Read as the format has them, boxes leave their images; read in the one way that is named, all fit. Write them as COCO's x, y, width, height in pixels, VOC's corners in pixels, or YOLO's middle, width and height in shares.
boxes_near_origin | warning | keep fatal | files | files of which no box reaches into the right or lower half of its image | Of many boxes in pixels some do. Numbers up to 100 may be percent, and up to 1000 thousandths; or the images are larger than those that were labelled. Look at the pictures.
box_rotated | warning | repair keep drop fatal | boxes | rectangles that are turned | CVAT writes the upright rectangle and attributes.rotation; the upright box around the turned one was taken.
box_negative_size | error | drop repair fatal | boxes | boxes of negative width or height | repair takes the other corner as the origin.
box_zero_size | error | drop fatal | boxes | boxes without an area | They have nothing to learn from and turn losses to NaN.
box_wholly_outside | error | drop fatal | boxes | boxes outside of their image | There is nothing to see. Where all are, the numbers are not what the format says: COCO and VOC have pixels, YOLO has shares of the image from 0 to 1.
box_outside | warning | repair keep drop fatal | boxes | boxes that reach over the edge | Clipped to the image.
box_edge | info | keep repair | boxes | boxes that reach over the edge by a pixel or less | Rounding.
box_tiny | warning | keep drop | boxes | boxes under data.tiny_pixels | The shorter side; hardly visible after scaling, and AP of small boxes hangs on them.
box_covers_image | info | keep drop | boxes | boxes that cover their whole image | An image label rather than a box?
box_duplicate | warning | drop keep fatal | boxes | exact duplicates of a box | Same image, class and box: one of them can only be a false negative.
box_two_classes | warning | keep drop fatal | boxes | one box under two classes | One of the two is wrong.
area_missing | info | repair | boxes | annotations without an area | Width times height was taken.
area_wrong | warning | repair fatal | boxes | area fields that cannot be | Not a positive number, or larger than the box; width times height was taken. COCO sorts boxes into small, medium and large by it.
ignore_as_crowd | info | repair keep | boxes | annotations with COCO's field ignore | Carried over as iscrowd: neither trained on nor counted as missed. keep trains on them as objects.
iscrowd_invalid | warning | repair fatal | boxes | iscrowd that is neither 0 nor 1 | Taken as 0.
box_crowd | info | keep drop | boxes | crowd boxes | Neither trained on nor counted as missed.
image_without_boxes | info | keep drop | images | images without boxes | MMDetection leaves them out of the training; in val and test they test for false alarms.
image_over_max_detections | warning | keep fatal | images | images with more boxes than data.max_detections | No more detections of an image are kept and counted, so that recall cannot reach 1. Raise data.max_detections.
group_field_absent | error | fatal keep | splits | data.group names a field that no image has | Nothing is kept on one side of a split by it. Correct the name, or set data.group to "".
split_without_labels | info | keep | splits | split without labels | Detections are written, scores are n/a.
split_share_missed | warning | keep fatal | splits | splits of another size than their share | Images of one group, and look-alikes, stay in one split, and these are many. Lower data.near_duplicate_bits where they are no copies, or give val and test files of their own.
split_class_absent | warning | keep fatal | classes of a split | classes without a box in a split | Their AP is n/a there, and in train they cannot be learnt.
split_image_shared | error | drop keep fatal | images | images that are in two splits | A model knows them by heart. Left out of train, or of val where test has them too.
split_group_shared | warning | keep drop fatal | images | groups or look-alikes on both sides of a split | The score is too good. drop leaves them out of train, or of val where test has them too.
""")


def checked(policy: dict[str, str]) -> dict[str, str]:
    """Code -> its action. Raises StudyError for an unknown code, and an action it does not have."""
    for code, action in policy.items():
        if code not in CHECKS:
            near = ", ".join(difflib.get_close_matches(code, CHECKS, 3))
            near = near or "see python -m stages.data.catalogue"
            raise StudyError(f"data.policy.{code}: no such check; near it: {near}")
        if action not in CHECKS[code].actions:
            raise StudyError(
                f"data.policy.{code}: {action!r} is not one of {', '.join(CHECKS[code].actions)}"
            )
    return {code: policy.get(code, check.actions[0]) for code, check in CHECKS.items()}


def as_markdown() -> str:
    """docs/data-checks.md."""
    lines = [
        "# Data checks",
        "",
        "What `prepare` and `make data-check` look for. The first action is the default; another is chosen in params.yaml,",
        "for example `policy: {image_missing: drop}`. `keep` only reports, `repair` writes a corrected value, `drop` leaves",
        "the entry out, `fatal` stops with one line after the report was written. Each repair and drop is a row of",
        "`data/prepared/changes.csv` with its before and after; nothing else is changed.",
        "",
        "| code | severity | actions | what | why, and what is done |",
        "|---|---|---|---|---|",
    ]
    for check in CHECKS.values():
        actions = ", ".join(check.actions)
        cells = (f"`{check.code}`", check.severity, actions, check.title, check.help)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Written by `python -m stages.data.catalogue > docs/data-checks.md`.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown(), end="")
