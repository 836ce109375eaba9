"""Verdicts over pairs of cells: what is better, how sure that is, and whether the comparison was
fair."""
