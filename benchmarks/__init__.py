"""Programs that measure this project against named peers. Each prints a table of medians and ratios."""
