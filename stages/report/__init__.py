"""Finished cells in, one comparison out: summary.json, compare.csv, report.md, index.html,
curves/*.csv."""

from stages.report.page import write_report
from stages.report.results import CellResult, ClassScore, ReportContext, Series, load_cell

__all__ = ["CellResult", "ClassScore", "ReportContext", "Series", "load_cell", "write_report"]
