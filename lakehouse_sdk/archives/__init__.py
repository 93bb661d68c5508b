"""Stage 1, what exists: connectors that list public exchange archives.

Belongs here: `ArchiveObject`, connectors, cadence. Must not: moving bytes (`transfer`), reading rows (`tables`). Read
`ArchiveObject` first.
"""
