"""The one call over all the others: a series as rows, collected and built where it is missing.

Belongs here: what needs `collect` and `build` together. Must not: a second way to do what they do. Read `run.load_series`
first.
"""
