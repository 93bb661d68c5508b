"""Every published archive of a mirror, with all its defects, comes to the outcome that was planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables import CheckedBatch, SourceFile, TableCatalog, parse_archive, validate
from lakehouse_sdk.testing import ArchiveTruth, Defect, MirrorTruth, demo_mirror, publish_mirror

BUCKET = "mirror.for.tables"
SPEC = replace(
    demo_mirror(),
    symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    interval="1h",
    trades_per_day=90,
    defects=(
        *demo_mirror().defects,
        Defect("price-zero", "um", "aggTrades", "ETHUSDT", "2025-01-19"),
        Defect("negative-amount", "um", "klines", "ETHUSDT", "2025-01-19"),
        Defect("number-garbled", "spot", "klines", "ETHUSDT", "2025-01-19"),
        Defect("field-missing", "um", "aggTrades", "SOLUSDT", "2025-01-19"),
        Defect("row-of-next-day", "spot", "aggTrades", "SOLUSDT", "2025-01-19"),
    ),
)


@pytest.fixture(scope="module")
def truth(minio: MinioServer) -> MirrorTruth:
    return publish_mirror(minio.profile, BUCKET, SPEC)


def _file(archive: ArchiveTruth) -> SourceFile:
    daily = archive.frequency == "daily"
    start = datetime.fromisoformat(archive.period if daily else f"{archive.period}-01").replace(tzinfo=UTC)
    end = start + timedelta(days=1) if daily else (start + timedelta(days=31)).replace(day=1)
    return SourceFile(
        "binance",
        archive.market,
        archive.data_type,
        archive.symbol,
        archive.interval,
        start,
        end,
        archive.key,
        archive.sha256,
    )


def _check(client: S3Client, archives: tuple[ArchiveTruth, ...]) -> Iterator[CheckedBatch]:
    for archive in archives:
        yield validate(parse_archive(client.get_bytes(BUCKET, archive.key), _file(archive)))


def test_every_archive_comes_to_the_outcome_that_was_planted(truth: MirrorTruth, s3: S3Client) -> None:
    readable = tuple(archive for archive in truth.archives if not (archive.refused or "").startswith("checksum"))
    assert {archive.defect for archive in readable} > {"rows-doubled", "rows-shuffled", "field-missing", "zip-truncated"}
    for archive, batch in zip(readable, _check(s3, readable), strict=True):
        found = (
            batch.defect.reason if batch.defect else None,
            batch.rows_in,
            batch.rows_accepted,
            batch.rows_duplicate,
            batch.rejects,
        )
        assert found == (archive.refused, archive.rows_in, archive.accepted, archive.duplicates, dict(archive.quarantined)), (
            archive.key,
            archive.defect,
        )
        if archive.defect is None:
            assert batch.flags == {}, archive.key


def test_the_tables_hold_what_was_published(truth: MirrorTruth, s3: S3Client, catalog: TableCatalog) -> None:
    chosen = truth.select_auto()
    good = tuple(archive for archive in chosen.archives if not (archive.refused or "").startswith("checksum"))
    report = catalog.commit(_check(s3, tuple(sorted(good, key=lambda archive: _file(archive).build_order))))
    totals = chosen.totals
    assert (report.rows_in, report.rows_accepted, report.rows_duplicate) == (totals.rows_in, totals.accepted, totals.duplicates)
    assert report.rejects == totals.quarantined_by_rule
    assert report.rows_written == totals.accepted
    for table, data_type, amount in (("silver.klines", "klines", "volume"), ("silver.agg_trades", "aggTrades", "quantity")):
        frame = catalog.table(table).scan().to_polars()
        totals_of = frame.group_by("market", "symbol").agg(pl.col(amount).sum())
        sums = {(market, symbol): total for market, symbol, total in totals_of.rows()}
        expected = {(m, s): float(total) for (m, kind, s), total in chosen.volumes().items() if kind == data_type}
        assert sums == pytest.approx(expected, rel=1e-9)
