"""Room 2 of tables, which rows are true: unpack, parse, enrich, validate, reconcile.

Belongs here: everything from an archive's bytes to a `CheckedBatch`. Must not: catalogues, commits. Read
`validation.validate` first; the rules are in `rules`, users' own files in `declared`.
"""
