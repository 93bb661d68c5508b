"""One table: what a server's refusal means for the caller."""

from __future__ import annotations

import pytest

from lakehouse_sdk import errors
from lakehouse_sdk.storage import Refusal


def refuse(status: int, code: str = "", *, key: str = "key") -> errors.LakehouseError:
    return Refusal(status, code, "The server's words.", "GET", "bucket", key, "http://h:1").to_error()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AccessDenied", errors.AccessError, "refused the action.*permission"),
        (401, "", errors.AccessError, "refused the action"),
        (403, "", errors.AccessError, "refused the action"),
        (403, "InvalidAccessKeyId", errors.AccessError, "refused the credentials.*lakehouse config show"),
        (403, "SignatureDoesNotMatch", errors.AccessError, "refused the credentials"),
        (400, "ExpiredToken", errors.AccessError, "refused the credentials"),
        (403, "RequestTimeTooSkewed", errors.AccessError, "clocks.*15 minutes.*timedatectl"),
        (404, "NoSuchBucket", errors.NotFoundError, "no bucket 'bucket' at http://h:1"),
        (404, "NoSuchKey", errors.NotFoundError, "no object 'key' in bucket 'bucket'"),
        (404, "", errors.NotFoundError, "no object 'key'"),
        (404, "NoSuchUpload", errors.NotFoundError, "upload of bucket/key"),
        (507, "", errors.CapacityError, "no room left.*space on the server"),
        (507, "XMinioStorageFull", errors.CapacityError, "no room left"),
        (400, "QuotaExceeded", errors.CapacityError, "no room left"),
        (412, "PreconditionFailed", errors.ConflictError, "not as expected"),
        (412, "", errors.ConflictError, "not as expected"),
        (409, "BucketAlreadyOwnedByYou", errors.ConflictError, "not as expected"),
        (409, "BucketNotEmpty", errors.ConflictError, "bucket 'bucket' is not empty"),
        (400, "KeyTooLongError", errors.AddressError, "cannot hold this name"),
        (400, "XMinioInvalidObjectName", errors.AddressError, "cannot hold this name"),
        (400, "InvalidBucketName", errors.AddressError, "cannot hold this name"),
        (301, "PermanentRedirect", errors.StorageError, "another address or region.*endpoint_url"),
        (307, "", errors.StorageError, "another address or region"),
        (400, "AuthorizationHeaderMalformed", errors.StorageError, "another address or region"),
        (500, "InternalError", errors.StorageError, "answered with an error"),
        (503, "SlowDown", errors.StorageError, "answered with an error"),
        (418, "", errors.StorageError, "418"),
    ],
)
def test_meaning(status: int, code: str, kind: type[errors.LakehouseError], words: str) -> None:
    error = refuse(status, code)
    assert type(error) is kind
    with pytest.raises(kind, match=words):
        raise error


def test_a_missing_bucket_is_named_when_the_bucket_was_asked_for() -> None:
    assert "no bucket 'bucket'" in str(refuse(404, key=""))


def test_status_and_code_stay_for_programs() -> None:
    error = refuse(503, "SlowDown")
    assert isinstance(error, errors.StorageError)
    assert (error.status, error.code) == (503, "SlowDown")
    assert isinstance(moved := refuse(301), errors.StorageError)
    assert moved.code == "PermanentRedirect"


def test_the_server_is_quoted_with_what_was_asked() -> None:
    assert "GET bucket/key at http://h:1: 500 InternalError The server's words." in str(refuse(500, "InternalError"))
