"""What a person can mend, as an error of one line."""

from __future__ import annotations


class InputError(RuntimeError):
    """Something that a person can mend; the message is one line with the path, key or cell and the
    remedy."""
