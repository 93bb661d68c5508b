"""What the parts of one run share: ends, connections, the cancel token, progress, bandwidth, staging folder.

Belongs here: state of a run. Must not: decisions about objects. Read `run.RunContext` first.
"""
