"""Where bytes rest: requests to one S3 server.

Belongs here: listings, heads, gets, puts, copies, buckets; S3 error codes turned into the SDK's errors. Must not: deciding
what to copy (`transfer`), two servers at once, fsspec (`filesystem`). Read `S3Client` first.
"""

from lakehouse_sdk.storage.client import CopyResult, ObjectInfo, S3Client

__all__ = ["CopyResult", "ObjectInfo", "S3Client"]
