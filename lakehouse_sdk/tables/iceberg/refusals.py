"""Arrow's errors about the lake's storage, and a REST catalogue's, as the SDK's errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyiceberg.exceptions import (
    AuthorizationExpiredError,
    ForbiddenError,
    OAuthError,
    RESTError,
    ServiceUnavailableError,
    UnauthorizedError,
)
from requests.exceptions import RequestException

from lakehouse_sdk.config.masking import mask_password
from lakehouse_sdk.errors import AccessError, ConnectError, LakehouseError, NotFoundError, StorageError, forget_frames

_UNREACHABLE = ("NETWORK_CONNECTION", "curlCode")
_REFUSED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE")


@contextmanager
def storage_errors(properties: Mapping[str, Any]) -> Iterator[None]:
    """Translate what Arrow raises while it reads or writes the files of a table.

    Args:
        properties: Of the table's FileIO; they name the endpoint.

    Raises:
        ConnectError: The server does not answer.
        AccessError: It refuses the credentials or the action.
        NotFoundError: A bucket or file that the catalogue names is gone.
        StorageError: Anything else it said.
    """
    try:
        yield
    except LakehouseError:
        raise
    except (OSError, RESTError, RequestException) as error:
        forget_frames(error)
        raise _translate_any(error, properties) from error


def _translate_any(error: Exception, properties: Mapping[str, Any]) -> LakehouseError:
    if isinstance(error, RESTError | RequestException):
        return _translate_rest(error, mask_password(str(properties.get("uri", "the catalogue"))))
    if isinstance(error, FileNotFoundError):
        return NotFoundError(
            f"A file that the catalogue names is not in the storage: {_detail(error)}.",
            hint="Bucket or objects were deleted behind the catalogue; build again into a new bucket and catalogue.",
        )
    assert isinstance(error, OSError)  # noqa: S101 (what else was caught)
    return _translate(error, properties.get("s3.endpoint", "the storage server"))


def _translate_rest(error: Exception, uri: str) -> LakehouseError:
    """What a REST catalogue said, or that it said nothing."""
    said = _detail(error)
    if isinstance(error, UnauthorizedError | ForbiddenError | AuthorizationExpiredError | OAuthError):
        return AccessError(f"The catalogue at {uri} refused: {said}.", hint="Check catalog.token or catalog.credential.")
    if isinstance(error, RequestException | ServiceUnavailableError):
        return ConnectError(f"No answer from the catalogue at {uri}.", hint="Is it running? catalog.uri is its address.")
    return StorageError(f"The catalogue at {uri} failed: {said}.")


def _translate(error: OSError, endpoint: object) -> LakehouseError:
    text = str(error)
    if any(mark in text for mark in _UNREACHABLE):
        return ConnectError(f"No answer from {endpoint} while a table was read or written.", hint="Is the server running?")
    if isinstance(error, PermissionError) or any(mark in text for mark in _REFUSED):
        return AccessError(f"{endpoint} refused access to a table's files: {_detail(error)}.", hint="Check the credentials.")
    return StorageError(f"{endpoint} failed while a table was read or written: {_detail(error)}.")


def _detail(error: Exception) -> str:
    return str(error).strip().rstrip(".")[:300]
