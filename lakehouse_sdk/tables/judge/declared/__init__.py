"""Tables of files of one's own: columns declared by the user, files read by that declaration.

Belongs here: the declaration and how files are read by it. Must not: rules, commits. Read `TableSchema` first.
"""

from lakehouse_sdk.tables.judge.declared.read import check_file
from lakehouse_sdk.tables.judge.declared.schema import ColumnType, TableSchema

__all__ = ["ColumnType", "TableSchema", "check_file"]
