"""Carrying a plan out, and what is known afterwards.

Belongs here: the driver of strategies, deletes, forecast, report, manifest, audit. Must not: how a byte travels
(`strategies`, `runners`). Read `engine.run_transfer` first.
"""
