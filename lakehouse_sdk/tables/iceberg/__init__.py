"""Room 3 of tables, how rows enter a table: connect, write data files, commit, the books, and the care of what is there.

Belongs here: commits, their one retry of lost races (`retry`), evolution, expiry, compaction, recovery. Must not: judging
rows, reading for a person. Read `commit.PendingTable` first.
"""
