"""Publishes archives of any type that the exchange has, from small texts: thousands in seconds, for what needs many."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, make_sample

_WORKERS = 16
_FOLDERS = {"spot": "spot", "um": "futures/um", "cm": "futures/cm", "option": "option"}
_MEMBER_TIME = (2024, 1, 1, 0, 0, 0)
"""Fixed, so that the same text gives the same bytes."""


@dataclass(frozen=True, slots=True)
class ArchiveText:
    """One archive, said by where it lies and what its CSV holds.

    Attributes:
        market: `spot`, `um`, `cm` or `option`.
        data_type: As the exchange spells it.
        symbol: Any symbol.
        period: `2024-12` for a monthly archive, `2024-12-31` for a daily one.
        text: The CSV, whole; see `sample_text`.
        interval: Bar length of a type that has one.
    """

    market: str
    data_type: str
    symbol: str
    period: str
    text: bytes
    interval: str | None = None

    @property
    def stem(self) -> str:
        """Its file name without suffix."""
        return f"{self.symbol}-{self.interval or self.data_type}-{self.period}"

    @property
    def key(self) -> str:
        """Its key in the exchange's bucket."""
        frequency = "monthly" if len(self.period) == len("2024-12") else "daily"
        interval = f"{self.interval}/" if self.interval else ""
        return f"data/{_FOLDERS[self.market]}/{frequency}/{self.data_type}/{self.symbol}/{interval}{self.stem}.zip"


def pack_archive(archive: ArchiveText) -> bytes:
    """The zip with its one CSV member; the same text gives the same bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(zipfile.ZipInfo(f"{archive.stem}.csv", _MEMBER_TIME), archive.text, zipfile.ZIP_DEFLATED, 1)
    return sink.getvalue()


def publish_archives(profile: S3Profile, bucket: str, archives: Iterable[ArchiveText]) -> dict[str, str]:
    """Write archives, each after its checksum, into `bucket`, which anybody may then list and read; several at once.

    Args:
        profile: A server, with credentials that may create buckets.
        bucket: Created when missing; other keys in it stay.
        archives: Taken one by one.

    Returns:
        SHA-256 by key, of the zip files only.
    """
    with S3Client(profile, max_connections=_WORKERS) as client, ThreadPoolExecutor(_WORKERS, "archives") as pool:
        client.ensure_bucket(bucket)
        client.set_public_read(bucket)

        def publish(archive: ArchiveText) -> tuple[str, str]:
            packed = pack_archive(archive)
            sha256 = hashlib.sha256(packed).hexdigest()
            client.put_bytes(bucket, f"{archive.key}.CHECKSUM", f"{sha256}  {archive.stem}.zip\n".encode())
            client.put_bytes(bucket, archive.key, packed, content_type="application/zip")
            return archive.key, sha256

        return dict(map_ordered(pool, publish, archives, window=4 * _WORKERS))


def sample_text(data_type: str, market: str, symbol: str, period: str, rows: int = 3) -> bytes:
    """The CSV of a `make_sample` of a Binance type, about another symbol and period.

    Raises:
        UsageError: The exchange has no such type in that market.
    """
    start = datetime.fromisoformat(period if len(period) > len("2024-12") else f"{period}-01").replace(tzinfo=UTC)
    for type_ in SAMPLE_TYPES:
        if (type_.source, type_.market, type_.data_type) == ("binance", market, data_type):
            text = make_sample(type_, rows, start=start).text()
            return text.replace(type_.symbol.encode(), symbol.encode())
    raise UsageError(f"There are no samples of {data_type!r} in {market!r}.")
