"""Finished cells in, a comparison out: numbers (json, csv), report.md and index.html."""

from stages.report.header import ReportContext
from stages.report.page import write_report

__all__ = ["ReportContext", "write_report"]
