"""Stage 2, moving bytes: list, plan, run, verify, report.

Belongs here: plans, strategies, runners. Must not: what the bytes mean. Read `TransferPlan` first.
"""
