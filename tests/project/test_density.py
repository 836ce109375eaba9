"""What `make lint` counts, on a few lines."""

from __future__ import annotations

import density

SOURCE = '''"""A docstring is no code."""

# A comment neither.
pairs = [(a, b) for a in "ab" for b in "cd"]
squares = {{str(n): [n * n for _ in pairs] for n in range(3)}}
word = "even" if len(squares) % 2 == 0 else "odd"
text = word * (len(word) > 3) + word * bool(pairs)
one = text


def first(found):
    """Nor this."""
    return found["{long}"]
'''


def test_each_measure_is_counted(tmp_path, monkeypatch, capsys):
    path = tmp_path / "room/file.py"
    path.parent.mkdir()
    path.write_text(SOURCE.format(long="x" * 90), encoding="utf-8")
    counts = density.counted(path)
    assert counts == {
        "lines": 13,
        "code": 7,
        "comprehensions": 3,
        "nested comprehensions": 2,
        "conditional expressions": 1,
        "lines over 100 characters": 1,
        "names that say nothing": 2,
        "products with a truth value": 2,
    }
    monkeypatch.setattr(density, "STAGES", tmp_path)
    assert density.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == list(density.GOALS)
    path.write_text("def first(row):\n    return row[0]\n", encoding="utf-8")
    assert density.main() == 0
