"""What a run did, kept beside the data: one Parquet file for each run, one row for each object."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse_sdk.config import Settings
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.model.objects import Outcome, Status
from lakehouse_sdk.transfer.model.report import TransferReport
from lakehouse_sdk.uris import LocalAddress, S3Address

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_PREFIX = "_manifests/transfers/"
SCHEMA_VERSION = 1
"""Raised when a column changes its meaning; columns may be added without."""
_ROWS_AT_ONCE = 50_000
_KEY = b"lakehouse_sdk.transfer_manifest"


def write_manifest(report: TransferReport, *, settings: Settings) -> S3Address:
    """Keep a run's outcomes as Parquet below `_manifests/` in the lake's bucket; appears complete or not at all.

    Columns: names, action, status, reason, strategy, runner, attempts, sizes, ETag and SHA-256 of each object, and
    `bytes_through_client`: what it brought over this machine's network, null where that is not known because it failed,
    `source_encryption` and `target_encryption`: as in `Outcome`.
    Totals, and objects that were only counted, are JSON in the file's metadata under `lakehouse_sdk.transfer_manifest`.

    Returns:
        Where it is: `_manifests/transfers/<UTC time>-<id>.parquet`.

    Raises:
        ConnectError, AccessError, NotFoundError: The lake's bucket cannot be written.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}.parquet"
    address = S3Address(settings.lake.bucket, f"{MANIFEST_PREFIX}{name}")
    body = manifest_to_parquet(report)
    with S3Client(settings.storage) as client:
        client.put_bytes(address.bucket, address.key, body, content_type="application/vnd.apache.parquet", only_new=True)
    return address


def manifest_to_parquet(report: TransferReport) -> bytes:
    """The manifest as the bytes of a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415 (no sync waits for Arrow)
    import pyarrow.parquet as pq  # noqa: PLC0415

    totals = {name: value for name, value in report.to_dict().items() if name != "failures"}
    schema = _schema().with_metadata({_KEY: json.dumps({"version": SCHEMA_VERSION, **totals}).encode()})
    buffer, outcomes = io.BytesIO(), iter(report.outcomes)
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        while part := list(islice(outcomes, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist([_to_row(item, report) for item in part], schema=schema))
    return buffer.getvalue()


def _schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    text, count = pa.string(), pa.int64()
    return pa.schema(
        [
            ("relative_key", text),
            ("source_key", text),
            ("target_key", text),
            ("action", text),
            ("status", text),
            ("reason", text),
            ("strategy", text),
            ("runner", text),
            ("attempts", pa.int32()),
            ("size_bytes", count),
            ("source_etag", text),
            ("target_etag", text),
            ("sha256", text),
            ("bytes_through_client", count),
            ("source_encryption", text),
            ("target_encryption", text),
        ]
    )


def _to_row(outcome: Outcome, report: TransferReport) -> dict[str, Any]:
    row = outcome.row
    strategy = outcome.strategy or report.strategy
    done = outcome.status is Status.DONE
    idle = outcome.status in {Status.SKIPPED, Status.CONFLICT, Status.DELETED}
    return {
        "relative_key": _to_text(row.relative_key),
        "source_key": _to_text(row.source_key),
        "target_key": _to_text(row.target_key),
        "action": row.action.value,
        "status": outcome.status.value,
        "reason": _to_text(outcome.reason),
        "strategy": "" if idle else strategy,
        "runner": outcome.runner,
        "attempts": 0 if idle else outcome.attempts,
        "size_bytes": row.size_bytes,
        "source_etag": row.etag,
        "target_etag": outcome.etag,
        "sha256": outcome.sha256 or row.sha256,
        "bytes_through_client": _count_crossings(report, strategy) * row.size_bytes if done else 0 if idle else None,
        "source_encryption": outcome.encryption[0],
        "target_encryption": outcome.encryption[1],
    }


def _to_text(name: str) -> str:
    """File names that are not UTF-8 with their odd bytes written out: Parquet holds text only."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _count_crossings(report: TransferReport, strategy: str) -> int:
    """How often a byte of an object crosses this machine's network."""
    local_ends = isinstance(report.source, LocalAddress) + isinstance(report.target, LocalAddress)
    if local_ends:
        return local_ends % 2
    return 0 if strategy == "direct" else 2
