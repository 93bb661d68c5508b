"""Every data type, frequency and interval that the exchange publishes, many archives, and names in any script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from mirrored_lake import rows_by_archive, settings_for, sha256_by_key

from lakehouse_sdk import tables
from lakehouse_sdk.archives.binance import DATASETS
from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.jobs import BuildReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.testing import ArchiveText, publish_archives, sample_text

Publish = Callable[[list[ArchiveText]], dict[str, str]]
MARKETS = tuple(dict.fromkeys(dataset.market for dataset in DATASETS))
DATA_TYPES = tuple(dict.fromkeys(dataset.data_type for dataset in DATASETS))


@pytest.fixture
def publish(other_minio: MinioServer, bucket: str) -> Publish:
    return lambda archives: publish_archives(other_minio.profile, bucket, archives)


@pytest.fixture
def lake(settings: Settings, other_minio: MinioServer, bucket: str) -> Iterator[Lakehouse]:
    with Lakehouse(settings_for(settings, other_minio.endpoint_url, bucket)) as made:
        yield made


def text(market: str, data_type: str, symbol: str, period: str, interval: str | None = None) -> ArchiveText:
    return ArchiveText(market, data_type, symbol, period, sample_text(data_type, market, symbol, period), interval)


def test_one_archive_of_every_dataset_frequency_and_interval(
    lake: Lakehouse, publish: Publish, other_minio: MinioServer, bucket: str
) -> None:
    archives = [
        text(dataset.market, dataset.data_type, "BTCUSDT", "2023-08-01" if frequency == "daily" else "2023-08", interval)
        for dataset in DATASETS
        for frequency in dataset.frequencies
        for interval in dataset.intervals or (None,)
    ]
    published = publish(archives)
    assert len(published) == len(archives) > 250
    report = lake.collect(lake.discover(markets=MARKETS, data_types=DATA_TYPES), cadence="reconcile")
    assert report.oddities == ()
    assert report.counts() == {**dict.fromkeys(report.counts(), 0), "verified": len(archives)}
    assert {item.archive.key: item.sha256 for item in report.archives} == published
    of_source = sha256_by_key(other_minio.profile, bucket)
    assert sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/") == of_source
    for archive in archives:
        (found,) = [item.archive for item in report.archives if item.archive.key == archive.key]
        assert (found.market, found.data_type, found.symbol, found.interval) == (
            archive.market, archive.data_type, archive.symbol, archive.interval,
        )  # fmt: skip

    # A month and one of its days hold the same rows: only the days are built.
    built = lake.build(lake.collect(lake.discover(markets=MARKETS, data_types=DATA_TYPES), cadence="daily"))
    daily = [archive for archive in archives if len(archive.period) > len("2023-08")]
    assert len(built.files) + built.without_format == len(daily)
    assert [(file.key, file.reason) for file in built.defective] == []
    rows = built.rows
    assert rows.rows_in == rows.accepted + rows.duplicate + rows.quarantined == 3 * len(built.files)
    again = lake.build(lake.collect(lake.discover(markets=MARKETS, data_types=DATA_TYPES), cadence="daily"))
    assert (again.files, again.unchanged, again.without_format) == ((), len(built.files), built.without_format)


def test_types_without_a_table_format_stay_in_bronze_and_are_counted(
    lake: Lakehouse, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tables.find_format
    monkeypatch.setattr(tables, "find_format", lambda *place: None if "metrics" in place else known(*place))
    published = publish(
        [text("um", "metrics", "BTCUSDT", f"2023-08-0{day}") for day in (1, 2, 3)]
        + [text("um", "klines", "BTCUSDT", f"2023-08-0{day}", "1m") for day in (1, 2)]
    )

    def build() -> BuildReport:
        return lake.build(lake.collect(lake.discover(markets=("um",), data_types=("klines", "metrics"))))

    built = build()
    assert {file.table for file in built.files} == {"silver.klines"}
    assert (built.rows.accepted, built.without_format, built.to_dict()["without_format"]) == (6, 3, 3)
    assert "3 without a table format" in built.summary
    assert "without a table format" in built._repr_html_()
    held = sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/")
    assert {key: sha256 for key, sha256 in held.items() if key.endswith(".zip")} == published
    with open_ledger(lake.settings) as ledger:
        states = Counter((entry.data_type, entry.state) for entry in ledger.entries("binance"))
    assert states == {("metrics", LedgerState.VERIFIED): 3, ("klines", LedgerState.PUBLISHED): 2}
    again = build()
    assert (again.files, again.unchanged, again.without_format) == ((), 2, 3)

    monkeypatch.setattr(tables, "find_format", known)  # a later version knows the type: what waited is built
    assert len(build().files) == 3


def test_symbols_in_any_script_go_the_whole_way(lake: Lakehouse, publish: Publish) -> None:
    """From the listing to bronze, ledger, table, coverage and universe, each under its own name."""
    symbols = ("币安人生USDT", "ÄÖßUSDT", "BTCUSDT")
    days = ("2025-01-01", "2025-01-03")
    published = publish([text("spot", "klines", symbol, day, "1d") for symbol in symbols for day in days])
    found = lake.discover(markets=("spot",), data_types=("klines",))
    report = lake.collect(found)
    assert report.counts()["verified"] == 6
    held = sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/")
    assert {key: sha256 for key, sha256 in held.items() if key.endswith(".zip")} == published
    lake.build(report)
    assert rows_by_archive(lake.settings) == dict.fromkeys(published, 3)
    rows = lake.table("silver.klines").scan(columns=["symbol"]).to_pandas()
    assert set(rows["symbol"]) == set(symbols)
    with open_ledger(lake.settings) as ledger:
        states = {(entry.symbol, entry.key): entry.state for entry in ledger.entries("binance")}
    assert {key for _, key in states} == set(published)
    assert set(states.values()) == {LedgerState.PUBLISHED}
    chosen = lake.coverage(markets=("spot",), data_types=("klines",), symbols=("币安*",))
    assert [(p.series[3], p.start.day, p.state.value) for p in chosen.periods] == [
        ("币安人生USDT", 1, "present"), ("币安人生USDT", 2, "missing"), ("币安人生USDT", 3, "present"),
    ]  # fmt: skip
    assert "币安人生USDT" in chosen._repr_html_()
    universe = lake.instruments(markets=("spot",))
    assert {instrument.symbol for instrument in universe} == set(symbols)
    alone = lake.collect(lake.discover(markets=("spot",), data_types=("klines",), symbols=("币安人生USDT",)))
    assert alone.counts() == {**dict.fromkeys(alone.counts(), 0), "present": 2}


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_three_thousand_archives_in_one_run(lake: Lakehouse, publish: Publish, other_minio: MinioServer, bucket: str) -> None:
    """More than one chunk of the plan and many pages of listing; a second run finds all of them and moves nothing."""
    days = [f"{date(2022, 1, 1) + timedelta(days=day)}" for day in range(300)]
    published = publish([text("um", "metrics", f"S{number:02}USDT", day) for number in range(10) for day in days])
    report = lake.collect(lake.discover(markets=("um",), data_types=("metrics",)))
    assert {item.archive.key: item.sha256 for item in report.archives} == published
    assert report.counts()["verified"] == 3000
    of_source = sha256_by_key(other_minio.profile, bucket)
    assert sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/") == of_source
    again = lake.collect(lake.discover(markets=("um",), data_types=("metrics",)))
    assert (again.counts()["present"], again.transfer.bytes_copied) == (3000, 0)
