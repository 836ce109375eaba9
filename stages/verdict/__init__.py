"""Verdicts over pairs of cells: what is better, how sure that is, whether that was fair."""
