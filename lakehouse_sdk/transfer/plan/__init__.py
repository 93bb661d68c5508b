"""What a transfer will do: list two ends, select, compare, decide; the plan that a person holds.

Belongs here: rows, their names, their storage. Must not: moving a byte. Read `handle.TransferPlan` first; the decisions are
in `diff`, the limit of deletes in `make`.
"""
