"""Finished cells in, a comparison out: numbers (json, csv), report.md and index.html."""

from stages.report.page import write_report
from stages.report.texts import ReportContext

__all__ = ["ReportContext", "write_report"]
