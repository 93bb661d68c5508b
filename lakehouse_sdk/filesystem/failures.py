"""What s3fs and botocore raise, as the SDK's errors; each still is the builtin error that fsspec users catch."""

from __future__ import annotations

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from lakehouse_sdk.errors import ConnectError, LakehouseError
from lakehouse_sdk.storage import Refusal


def translate_failure(error: Exception, method: str, bucket: str, key: str, endpoint_url: str) -> LakehouseError | None:
    """The SDK's error for one that came out of an s3fs request; None where ours would say nothing more.

    Args:
        error: As raised: s3fs turns a server's refusal into a builtin error and chains botocore's to it.
        method: botocore's name of the request, for example `get_object`.
        bucket: Bucket of the request.
        key: Key of the request, empty for the bucket itself.
        endpoint_url: Address of the server.
    """
    refused = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(refused, ClientError):
        answer = refused.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code, message = answer.get("Error", {}).get("Code", ""), answer.get("Error", {}).get("Message", "")
        # For an answer without a body botocore puts the status into the code, and the status's name into the message.
        return Refusal(status, "" if code == str(status) else code, message, method, bucket, key, endpoint_url).to_error()
    if isinstance(error, BotoConnectionError | HTTPClientError):
        return ConnectError(
            f"No S3 server answers at {endpoint_url} ({type(error).__name__}).",
            hint="Check storage.endpoint_url (`lakehouse config show --origin`), or start a local server: `lakehouse up`.",
        )
    return None
