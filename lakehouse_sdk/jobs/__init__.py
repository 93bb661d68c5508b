"""Where the stages meet: collect, build, sync as plain functions.

Belongs here: what façade, flows and CLI all call. Must not: Prefect, printing.
"""
