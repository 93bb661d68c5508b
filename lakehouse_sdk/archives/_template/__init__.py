"""A connector to copy: archives of one exchange in a folder of this machine.

Belongs here: the smallest thing that keeps every promise of `SourceConnector`. Must not: being registered; it is no source.
Read `connector` from top to bottom; `docs/how-to/write-a-connector.md` is the way from it to one of your own.
"""
