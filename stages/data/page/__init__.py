"""The page of the data report: what a dataset is, its faults, how its splits are balanced."""
