"""From bronze into tables: judge archives, commit them, publish through the gate, take in files of one's own, replay.

Belongs here: what joins `archives` and `tables`. Must not: fetching. Read `run.build_tables` first.
"""
