"""The page of the data report: what a dataset is, what was wrong with it, how its splits are
balanced."""
