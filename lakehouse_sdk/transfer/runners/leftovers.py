"""What a run that was killed left at the target: found by the names of the next run's own rows, and removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import PlannedObject
from lakehouse_sdk.transfer.runners.protocol import Leg
from lakehouse_sdk.transfer.runners.server_side import INCOMING_PREFIX, incoming_key

_OLD = timedelta(days=1)
"""No copy takes so long; what is younger and not ours may belong to a run that lives."""


def discard_open_uploads(leg: Leg, context: RunContext, rows: Iterable[PlannedObject]) -> Iterator[PlannedObject]:
    """The rows, lazily; before a large one is given out, open uploads of its target key are discarded.

    They are another run's that ended without cleaning: killed, or its machine gone. Servers list them by exact key only.
    """
    client = context.client(leg.profile)
    for row in rows:
        if row.size_bytes > context.part_bytes and not context.is_stopped():
            with suppress(LakehouseError):
                for upload in client.list_uploads(leg.target_bucket, row.target_key):
                    client.abort_upload(leg.target_bucket, upload)
        yield row


def clear_incoming(client: S3Client, bucket: str, rows: Iterable[PlannedObject]) -> None:
    """Delete what rests below `_incoming/` for these rows, and what anybody left there more than a day ago."""
    with suppress(LakehouseError):  # whoever may write need not be allowed to list
        found = {info.key: info.last_modified for info in client.list_objects(bucket, INCOMING_PREFIX)}
        if found:
            ours = {incoming_key(row.target_key) for row in rows}
            before = datetime.now(UTC) - _OLD
            client.delete_objects(bucket, [key for key, modified in found.items() if key in ours or modified < before])
