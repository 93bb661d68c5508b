"""Stage 3, upkeep: tags, expiry of snapshots, compaction, orphan files, recovery of a lost catalogue.

Belongs here: whatever keeps tables small, quick and restorable without changing a row. Must not: reading rows for people,
deciding what a row is. Read `references` first: which files a table needs decides what may go.

Every function takes Iceberg tables and returns a frozen report; who else writes meanwhile neither loses nor doubles anything.
"""
