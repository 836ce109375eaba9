"""Text that stays text in Markdown."""

from __future__ import annotations

import re

# Characters that begin a construct of CommonMark, of GitHub's tables or of its automatic links
# anywhere in a line. Cell names are full of underscores inside words, which begin none
# (https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis).
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|(?<=:)/")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(value: object) -> str:
    """`value` as one line of Markdown that shows exactly its characters."""
    line = " ".join(str(value).split())
    return _SPECIAL.sub(r"\\\g<0>", line).translate(_HTML)
