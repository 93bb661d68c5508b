"""Stage 3, meaning: parse, validate, enrich, commit to Iceberg, read back.

Belongs here: formats, rules, tables; the only importer of pyiceberg. Must not: fetching archives. Read `FormatSpec` first.
"""
