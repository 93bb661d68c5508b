"""What an S3 server's refusal means, as one of the SDK's errors; one table for every client of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse_sdk.errors import (
    AccessError,
    AddressError,
    CapacityError,
    ConflictError,
    KeyServiceError,
    LakehouseError,
    NotFoundError,
    StorageError,
)

_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_FULL = frozenset({
    "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "XMinioDiskFull",
})  # fmt: skip
_UNUSABLE_NAMES = frozenset({
    "InvalidBucketName", "KeyTooLongError", "XMinioInvalidObjectName", "XMinioObjectExistsAsDirectory",
    "XMinioParentIsObject", "XMinioInvalidResourceName",
})  # fmt: skip
_KEY_SERVICE = re.compile(r"kms\b|KMS[A-Z.]|XMinioKMS|XMinioKES", re.IGNORECASE)
_MOVED = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})

_CODE_OF_STATUS = {
    301: "PermanentRedirect",
    307: "TemporaryRedirect",
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "OperationAborted",
    412: "PreconditionFailed",
    429: "SlowDown",
    503: "SlowDown",
    507: "InsufficientStorage",
}
"""What a status alone says, for answers without a body such as that to a HEAD."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An S3 server's answer that is not a success.

    Attributes:
        status: HTTP status; 0 for one object of a batch, which has none of its own.
        code: S3 error code, empty where the answer had none.
        message: The server's own words, maybe empty.
        action: What was asked, for example `GET` or `DeleteObjects`.
        bucket: Bucket that was addressed, empty for the server itself.
        key: Key that was addressed, empty for the bucket itself.
        endpoint_url: Address of the server.
    """

    status: int
    code: str
    message: str
    action: str
    bucket: str
    key: str
    endpoint_url: str

    @property
    def place(self) -> str:
        """What was addressed, for people."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket or "the server"

    def __str__(self) -> str:
        answer = " ".join(filter(None, (str(self.status or ""), self.code, self.message)))
        return f"{self.action} {self.place} at {self.endpoint_url}: {answer.rstrip(' .')}."

    def to_error(self) -> LakehouseError:
        """The error that tells the caller what to do about it."""
        code = self.code or _CODE_OF_STATUS.get(self.status, "")
        return self._access_error(code) or self._absence_error(code) or self._other_error(code)

    def _access_error(self, code: str) -> LakehouseError | None:
        if code == "RequestTimeTooSkewed":
            return AccessError(
                f"The clocks of this machine and of the server differ by more than 15 minutes. {self}",
                hint="Set the clock that is wrong (`timedatectl set-ntp true`); every request is signed with the time.",
            )
        if code in _CREDENTIALS:
            return AccessError(
                f"The server refused the credentials. {self}",
                hint="Check access_key and secret_key (`lakehouse config show --origin`).",
            )
        if self.status in {401, 403} or code == "AccessDenied":
            return AccessError(f"The server refused the action. {self}", hint="Ask for the permission, or use another profile.")
        return None

    def _absence_error(self, code: str) -> LakehouseError | None:
        if code == "NoSuchBucket":
            return NotFoundError(
                f"There is no bucket {self.bucket!r} at {self.endpoint_url}.", hint="Check the name, or create it."
            )
        if code == "NoSuchUpload":
            return NotFoundError(f"The multipart upload of {self.place} is not there any more. {self}")
        if self.status == 404:
            missing = f"object {self.key!r} in bucket {self.bucket!r}" if self.key else f"bucket {self.bucket!r}"
            return NotFoundError(f"There is no {missing} at {self.endpoint_url}.")
        return None

    def _other_error(self, code: str) -> LakehouseError:
        if code in _FULL or self.status == 507:
            return CapacityError(
                f"The server has no room left. {self}", hint="Free or add space on the server, then run again."
            )
        if _KEY_SERVICE.match(code):
            error = KeyServiceError(
                f"The server's key service (KMS) fails, so it can neither encrypt nor decrypt. {self}",
                hint="See to the KMS and to the key that the profile or the bucket names, then run again.",
                status=self.status,
                code=code,
            )
            error.is_transient = "Throttling" in code  # the server has tried it again for some seconds already
            return error
        if code in _UNUSABLE_NAMES:
            return AddressError(f"The server cannot hold this name. {self}", hint="Choose another key or bucket name.")
        if code == "BucketNotEmpty":
            return ConflictError(f"The bucket {self.bucket!r} is not empty. {self}", hint="Delete its objects first.")
        if self.status in {409, 412} or code == "PreconditionFailed":
            return ConflictError(f"The object is not as expected. {self}", hint="Look what is there now, then call again.")
        if code in _MOVED or self.status in {301, 307}:
            return StorageError(
                f"The bucket is served from another address or region. {self}",
                hint="Set the profile's region and endpoint_url to those of the bucket.",
                status=self.status,
                code=code,
            )
        return StorageError(f"The server answered with an error. {self}", status=self.status, code=code)
