"""Targets: what a run can be committed to. Nothing else in the package changes anything real."""
