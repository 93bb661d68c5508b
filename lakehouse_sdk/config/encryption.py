"""Encryption by the server, as S3's headers and as botocore's arguments say it; pure."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

Encryption = Literal["", "AES256", "aws:kms", "SSE-C"]
"""Who keeps the key: nobody was asked (the bucket's default holds, and a copy keeps its source's), the server, its KMS, the
caller."""
CUSTOMER_KEY_BYTES = 32


def server_headers(encryption: Encryption, kms_key_id: str | None) -> dict[str, str]:
    """Headers of a request that begins an object, for the keys of the server; empty without."""
    headers: dict[str, str] = {"x-amz-server-side-encryption": encryption} if encryption in {"AES256", "aws:kms"} else {}
    return headers | ({"x-amz-server-side-encryption-aws-kms-key-id": kms_key_id} if kms_key_id else {})


def customer_headers(key: str, of: str = "") -> dict[str, str]:
    """Headers with the caller's own key (base64), which each request for such an object brings.

    Args:
        key: The key; empty for none, and then there are no headers.
        of: `copy-source-` for the object that a copy reads.
    """
    prefix = f"x-amz-{of}server-side-encryption-customer"
    headers = {f"{prefix}-algorithm": "AES256", f"{prefix}-key": key, f"{prefix}-key-md5": digest_key(key)}
    return headers if key else {}


def botocore_arguments(encryption: Encryption, kms_key_id: str | None, customer_key: str) -> dict[str, str]:
    """Arguments of botocore's calls, for `s3_additional_kwargs` of s3fs, which gives each call those that it knows."""
    if customer_key:
        own = {
            "SSECustomerAlgorithm": "AES256",
            "SSECustomerKey": customer_key,
            "SSECustomerKeyMD5": digest_key(customer_key),
        }
        return own | {f"CopySource{name}": value for name, value in own.items()}
    arguments: dict[str, str] = {"ServerSideEncryption": encryption} if encryption else {}
    return arguments | ({"SSEKMSKeyId": kms_key_id} if kms_key_id else {})


def digest_key(key: str) -> str:
    """MD5 (base64) of a key in base64, by which the server checks that it came over whole."""
    digest = hashlib.md5(base64.b64decode(key), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
