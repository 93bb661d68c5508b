"""Plans as Parquet files: one row for each object, what else there is to know in the file's metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehouse_sdk.errors import IntegrityError, NotFoundError, StorageError
from lakehouse_sdk.transfer.model.objects import Action, PlannedObject, SkipCount
from lakehouse_sdk.transfer.plan.selection import Selection
from lakehouse_sdk.uris import Address, LocalAddress, S3Address

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised when a later version of the SDK writes what this one would misread; older files stay readable."""
_KEY = b"lakehouse_sdk.transfer_plan"
_ROWS = 10_000


class PlanHead(NamedTuple):
    """What a plan says beside its rows; fields as in `TransferPlan`."""

    source: Address
    target: Address
    note: str
    skipped: SkipCount
    delete_refusal: str
    selection: Selection


def save_plan(head: PlanHead, plan: Iterable[PlannedObject], path: Path) -> None:
    """Write a plan's head and rows to `path`, through a temporary name beside it; memory is bounded."""
    import pyarrow as pa  # noqa: PLC0415 (no sync waits for Arrow)
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema().with_metadata({_KEY: json.dumps(_describe(head)).encode()})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
            rows = iter(plan)
            while part := list(islice(rows, _ROWS)):
                columns = zip(*map(_to_values, part), strict=True)
                writer.write_table(pa.table(list(map(list, columns)), schema=schema))
        beside.replace(path)
    except UnicodeEncodeError as error:
        raise StorageError(
            f"{path} cannot hold the plan: a file name is not UTF-8.", hint="Leave such files out with a selection."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def open_saved(path: Path) -> Iterator[tuple[PlanHead, Iterator[PlannedObject]]]:
    """Head and rows of the plan in the file at `path`, the rows for as long as the context lasts; memory is bounded.

    Raises:
        NotFoundError: There is no such file.
        IntegrityError: Not a saved plan, or of a later version.
    """
    import pyarrow as pa  # noqa: PLC0415 (no sync waits for Arrow)
    import pyarrow.parquet as pq  # noqa: PLC0415

    if not path.exists():
        raise NotFoundError(f"There is no saved plan at {path}.", hint="Check the path.")
    try:
        with pq.ParquetFile(path) as file:
            facts = json.loads((file.schema_arrow.metadata or {})[_KEY])
            if facts["version"] > SCHEMA_VERSION:
                raise IntegrityError(
                    f"The plan at {path} was saved by a later version of the SDK (format {facts['version']}).",
                    hint="Update lakehouse-sdk.",
                )
            head = PlanHead(
                _to_address(facts["source"]),
                _to_address(facts["target"]),
                facts["note"],
                SkipCount(*facts["skipped"]),
                facts["delete_refusal"],
                _to_selection(facts["selection"]),
            )
            yield head, _read_rows(file)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise IntegrityError(f"The file {path} is not a saved plan.", hint="Save one with TransferPlan.save.") from error


def _schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    text = pa.string()
    return pa.schema(
        [
            ("relative_key", text),
            ("source_key", text),
            ("target_key", text),
            ("size_bytes", pa.int64()),
            ("etag", text),
            ("action", text),
            ("reason", text),
            ("sha256", text),
            ("last_modified", pa.timestamp("us", "UTC")),
        ]
    )


def _read_rows(file: Any) -> Iterator[PlannedObject]:
    for batch in file.iter_batches(batch_size=_ROWS):
        columns = (column.to_pylist() for column in batch.columns)
        for name, source, target, size_bytes, etag, action, reason, sha256, modified in zip(*columns, strict=True):
            zoned = None if modified is None else modified.replace(tzinfo=UTC)  # Arrow may bring another UTC
            yield PlannedObject(name, source, target, size_bytes, etag, Action(action), reason, sha256, zoned)


def _to_values(row: PlannedObject) -> tuple[Any, ...]:
    return (
        row.relative_key,
        row.source_key,
        row.target_key,
        row.size_bytes,
        row.etag,
        row.action.value,
        row.reason,
        row.sha256,
        row.last_modified,
    )


def _describe(head: PlanHead) -> dict[str, Any]:
    selection = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(head.selection).items()
    }
    return {
        "version": SCHEMA_VERSION,
        "source": _from_address(head.source),
        "target": _from_address(head.target),
        "note": head.note,
        "skipped": [head.skipped.objects, head.skipped.size_bytes, head.skipped.by_time],
        "delete_refusal": head.delete_refusal,
        "selection": selection,
    }


def _from_address(address: Address) -> dict[str, str]:
    return {"path": str(address.path)} if isinstance(address, LocalAddress) else asdict(address)


def _to_address(facts: dict[str, str]) -> Address:
    return LocalAddress(Path(facts["path"])) if "path" in facts else S3Address(**facts)


def _to_selection(facts: dict[str, Any]) -> Selection:
    times = {name: datetime.fromisoformat(value) for name, value in facts.items() if name.startswith("modified") and value}
    return Selection(**{**facts, **times})
