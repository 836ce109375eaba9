"""Finished cells in, one comparison out: summary.json, compare.csv, report.md, index.html,
curves/*.csv."""

from stages.report.header import ReportContext
from stages.report.page import write_report

__all__ = ["ReportContext", "write_report"]
