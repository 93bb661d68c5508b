"""Where bytes rest: requests to one S3 server.

Belongs here: listings, heads, gets, puts, copies, deletes, buckets; S3 error codes turned into the SDK's errors. Must not:
deciding what to copy (`transfer`), two servers at once, fsspec (`filesystem`). Read `S3Client` first.
"""

from lakehouse_sdk.storage.answers import (
    CopyResult,
    DeleteFailure,
    ObjectDescription,
    ObjectEncryption,
    ObjectInfo,
    OpenUpload,
    Written,
)
from lakehouse_sdk.storage.client import S3Client
from lakehouse_sdk.storage.listing import ListingOrderError
from lakehouse_sdk.storage.refusals import Refusal
from lakehouse_sdk.storage.wire import DEFAULT_RETRY

__all__ = [
    "DEFAULT_RETRY",
    "CopyResult",
    "DeleteFailure",
    "ListingOrderError",
    "ObjectDescription",
    "ObjectEncryption",
    "ObjectInfo",
    "OpenUpload",
    "Refusal",
    "S3Client",
    "Written",
]
