"""Work on objects by address: list, measure, copy, sync, remove.

Belongs here: what joins settings and `transfer`. Must not: what objects mean. Read `sync.sync` first.
"""
