"""Keeping a lake healthy: capacity, retention of bronze, compaction, expiry, orphans.

Belongs here: upkeep over everything there is. Must not: new data. Read `upkeep.compact_tables` first.
"""
