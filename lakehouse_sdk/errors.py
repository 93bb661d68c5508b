"""Ground: every error the SDK raises, grouped by what a handler would do about it.

Belongs here: the exception tree and nothing else. Must not: any import of the SDK. Read `LakehouseError` first.

```
LakehouseError                          something the SDK can name went wrong
├── UsageError (ValueError)             the call is wrong: correct it and call again               exit 2
│   ├── AddressError                    not a lakehouse://, s3:// or local address
│   └── ConfigurationError              a setting is missing, unreadable or contradictory
├── ConnectError (ConnectionError)      the server cannot be reached: start it, or wait and retry  exit 1
├── AccessError (PermissionError)       the server refused the credentials or the action           exit 1
├── NotFoundError (FileNotFoundError)   a bucket, object, table, program or archive is not there   exit 1
├── ConflictError (FileExistsError)     something is already there, or changed meanwhile           exit 1
├── DeleteRefusedError                  a plan would delete more than is believable; nothing moved exit 1
├── CapacityError (OSError)             a disk, quota or cap is full                               exit 1
├── IntegrityError                      bytes are not what they were said to be                    exit 1
├── ServerError                         an embedded server did not start, answer or stop           exit 1
├── StorageError (OSError)              an S3 server answered with an error of another kind        exit 1
│   └── KeyServiceError                 its key service fails: it can neither encrypt nor decrypt
├── TransferError                       a transfer ended with failures; the report has them all    exit 1
├── TableError                          rows could not be parsed, checked or committed             exit 1
└── AcceptanceError                     a validation ran and did not pass; the report says why     exit 1
```
"""

from __future__ import annotations

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed."""
TRANSIENT_CODES = frozenset({"IncompleteBody", "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})
"""S3 error codes of the same kind, whatever status they come with: S3 says 400 where a body was cut or came too slowly."""


class LakehouseError(Exception):
    """Base of every error the SDK raises on purpose.

    Attributes:
        message: What happened, and to which object.
        hint: What to do next, one sentence, or None where nothing is known to help.
        is_transient: True where the same call may succeed later; every retry in the SDK asks this and nothing else.
        is_exhausted: True where it was tried again already, as often as its policy allows.
    """

    exit_code = 1
    is_transient = False
    is_exhausted = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle by calling the class with `args`; the keyword-only hint travels as state (Prefect pickles errors).
        return (type(self), (self.message,), self.__dict__)


def forget_frames(error: BaseException) -> None:
    """Drop the frames of an error that was translated, and of those behind it: other clients keep keys and tokens in locals.

    What shows a traceback with locals (IPython's verbose mode, rich, error trackers) would show them; the messages stay.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            waiting += [found.__cause__, found.__context__]


class UsageError(LakehouseError, ValueError):
    """The call itself is wrong; the same call will fail again."""

    exit_code = 2


class AddressError(UsageError):
    """An address is neither `lakehouse://[profile@]bucket/key`, `s3://bucket/key` nor a usable local path."""


class ConfigurationError(UsageError):
    """A setting is missing, unreadable, misspelt or contradicts another."""


class ConnectError(LakehouseError, ConnectionError):
    """No server answers at the endpoint."""

    is_transient = True


class AccessError(LakehouseError, PermissionError):
    """The server answered, and refused the credentials or the action."""


class NotFoundError(LakehouseError, FileNotFoundError):
    """The named bucket, object, table, program or archive does not exist."""


class ConflictError(LakehouseError, FileExistsError):
    """The target already exists, or changed between plan and run."""


class DeleteRefusedError(LakehouseError):
    """A plan deletes more than its limit, or was made against a source that is empty or could not be listed; nothing moved."""


class CapacityError(LakehouseError, OSError):
    """A disk, a quota or a configured cap is full."""


class IntegrityError(LakehouseError):
    """Bytes do not have the size or hash they were published with."""


class ServerError(LakehouseError):
    """An embedded server did not start, answer or stop; the message carries the tail of its log."""


class StorageError(LakehouseError, OSError):
    """An S3 server answered with an error that no other class describes.

    Attributes:
        status: HTTP status of the answer, 0 where there was none.
        code: The S3 error code, for example `SlowDown`.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int = 0, code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.is_transient = status in TRANSIENT_STATUS or code in TRANSIENT_CODES


class KeyServiceError(StorageError):
    """The server could not encrypt or decrypt: its key service (KMS) does not answer, or refuses the key."""


class TransferError(LakehouseError):
    """A transfer ended with objects that failed."""


class TableError(LakehouseError):
    """Rows could not be parsed, checked or committed as asked."""


class AcceptanceError(LakehouseError):
    """A validation ran and did not pass."""
