"""Room 4 of tables, how rows are read: tables, scans, series, SQL.

Belongs here: everything that turns a table into frames. Must not: writing rows. Read `table.Table` first, then
`scan.TableScan`.
"""
