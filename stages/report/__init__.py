"""Finished cells in, a comparison out: numbers (json, csv), report.md and index.html."""
