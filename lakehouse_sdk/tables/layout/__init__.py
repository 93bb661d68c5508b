"""Room 1 of tables, what a row is: formats of publishers, columns of tables, their units, decimals, days and symbols.

Belongs here: facts that need no data to be read. Must not: reading bytes, pyiceberg catalogues. Read `formats.FormatSpec`
first; the unit of a CSV's times is in `formats`, a column's type in `schemas`.
"""
