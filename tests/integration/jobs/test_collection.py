"""What a collection remembers: revisions, quarantine, adoption, audit, repair, incremental runs; and coverage read from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import s3fs

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import SqlLedger, open_ledger
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.jobs import ArchiveState, CollectionPlan, CollectReport, Discovery, Task
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, MirrorTruth, day_range, publish_mirror

DAYS = day_range(date(2024, 12, 28), date(2025, 1, 6))
SPEC = MirrorSpec(
    markets=("spot",),
    symbols=("BTCUSDT", "ETHUSDT"),
    data_types=("klines",),
    interval="1h",
    days=DAYS,
    trades_per_day=30,
    defects=(
        Defect("checksum-mismatch", "spot", "klines", "BTCUSDT", "2025-01-02"),
        Defect("checksum-other-file", "spot", "klines", "BTCUSDT", "2025-01-03"),
        Defect("checksum-missing", "spot", "klines", "ETHUSDT", "2025-01-02"),
        Defect("zip-truncated", "spot", "klines", "ETHUSDT", "2025-01-03"),
        Defect("not-published", "spot", "klines", "ETHUSDT", "2025-01-04"),
    ),
)
CLEAN = replace(SPEC, defects=())
BRONZE = "bronze/binance/"


class Exchange:
    """The mirror bucket, to be published again, changed and asked."""

    def __init__(self, server: MinioServer, bucket: str) -> None:
        self.client = S3Client(server.profile)
        self.server = server
        self.bucket = bucket

    def publish(self, spec: MirrorSpec) -> MirrorTruth:
        return publish_mirror(self.server.profile, self.bucket, spec)


@pytest.fixture
def exchange(other_minio: MinioServer, bucket: str) -> Exchange:
    made = Exchange(other_minio, bucket)
    made.publish(SPEC)
    return made


@pytest.fixture
def lake(settings: Settings, exchange: Exchange) -> Iterator[Lakehouse]:
    binance = {"endpoint_url": exchange.server.endpoint_url, "bucket": exchange.bucket, "region": "us-east-1"}
    known = {"storage": settings.storage, "lake": settings.lake, "catalog": settings.catalog}
    with Lakehouse(load_settings(**known, archives={"binance": binance})) as made:
        yield made


@pytest.fixture
def ledger(lake: Lakehouse) -> Iterator[SqlLedger]:
    with open_ledger(lake.settings) as opened:
        yield opened


def discover(lake: Lakehouse, **narrow: object) -> Discovery:
    return lake.discover(**{"markets": ("spot",), "data_types": ("klines",), **narrow})  # type: ignore[arg-type]


def key_of(symbol: str, day: str) -> str:
    return f"data/spot/daily/klines/{symbol}/1h/{symbol}-1h-{day}.zip"


def states(report: CollectReport) -> dict[str, str]:
    return {item.archive.key.partition("-1h-")[0][-7:] + item.archive.key[-15:-4]: item.state.value for item in report.archives}


def held(lake: Lakehouse) -> dict[str, str]:
    """What bronze holds, by a client that is not ours: key below it → ETag."""
    fs = s3fs.S3FileSystem(**lake.settings.storage.to_fsspec(), skip_instance_cache=True)
    prefix = f"{lake.settings.lake.bucket}/bronze/"
    return {key.removeprefix(prefix): info["ETag"] for key, info in fs.find(prefix, detail=True).items()}


class TestLedgerOfACollection:
    def test_every_archive_has_its_state_and_hashes(self, lake: Lakehouse, ledger: SqlLedger, exchange: Exchange) -> None:
        report = lake.collect(discover(lake))
        entries = {entry.key: entry for entry in ledger.entries("binance")}
        assert set(entries) == {item.archive.key for item in report.archives}
        expected = {
            ArchiveState.VERIFIED: LedgerState.VERIFIED,
            ArchiveState.UNVERIFIED: LedgerState.COPIED,
            ArchiveState.QUARANTINED: LedgerState.QUARANTINED,
        }
        for item in report.archives:
            entry = entries[item.archive.key]
            assert (entry.state, entry.reason) == (expected[item.state], item.reason)
        truth = {archive.key: archive for archive in exchange.publish(SPEC).archives}
        for key, entry in entries.items():
            if entry.state is LedgerState.VERIFIED:
                assert entry.sha256 == entry.published_sha256 == truth[key].sha256
        lake.build(report)
        built = {entry.key: entry for entry in ledger.entries("binance")}
        assert built[key_of("BTCUSDT", "2025-01-01")].state is LedgerState.PUBLISHED
        broken = built[key_of("ETHUSDT", "2025-01-03")]
        assert (broken.state, broken.reason.partition(":")[0]) == (LedgerState.QUARANTINED, "zip-unreadable")

    def test_it_can_be_queried_like_any_table(self, lake: Lakehouse) -> None:
        lake.build(lake.collect(discover(lake)))
        rows = lake.table("bronze.ledger").scan().to_pandas()
        last = rows.sort_values("event_id").groupby("key").last()
        assert len(last) == 19
        assert dict(last["state"].value_counts()) == {"published": 16, "quarantined": 3}
        assert rows["event_id"].is_unique
        lake.build(lake.collect(discover(lake)))
        assert len(lake.table("bronze.ledger").scan().to_pandas()) == len(rows)

    def test_the_terms_are_in_the_tables_properties(self, lake: Lakehouse) -> None:
        report = lake.collect(discover(lake))
        lake.build(report)
        assert report.terms_url.startswith("https://")
        assert lake.table("silver.klines").properties["lakehouse.terms.binance"] == report.terms_url

    def test_bronze_mirrors_the_source_checksum_files_included(self, lake: Lakehouse, exchange: Exchange) -> None:
        report = lake.collect(discover(lake))
        published = {info.key: info.etag for info in exchange.client.list_objects(exchange.bucket)}
        good = {item.archive.key for item in report.in_bronze}
        wanted = {key: etag for key, etag in published.items() if key.removesuffix(".CHECKSUM") in good}
        assert {key.removeprefix("binance/"): etag.strip('"') for key, etag in held(lake).items()} == wanted


class TestAgain:
    def test_what_is_refused_is_not_read_again_until_the_source_changes_it(self, lake: Lakehouse, exchange: Exchange) -> None:
        first = lake.collect(discover(lake))
        second = lake.collect(discover(lake))
        assert second.counts()["quarantined"] == first.counts()["quarantined"] == 2
        assert {i.archive.key: i.reason for i in second.problems} == {i.archive.key: i.reason for i in first.problems}
        assert second.transfer.outcomes == ()
        name = key_of("BTCUSDT", "2025-01-03")
        right = replace(SPEC, defects=tuple(d for d in SPEC.defects if d.period != "2025-01-03"))
        exchange.publish(right)  # the checksum file is put right, the archive is as it was
        third = lake.collect(discover(lake))
        assert states(third)["BTCUSDT-2025-01-03"] == "verified"
        assert min(outcome.row.relative_key for outcome in third.transfer.outcomes) == name

    def test_a_two_year_old_archive_is_published_anew(
        self, lake: Lakehouse, ledger: SqlLedger, exchange: Exchange, s3: S3Client
    ) -> None:
        """The new revision replaces exactly its rows, the old bytes are kept, and the ledger knows both."""
        old_days = replace(CLEAN, days=(date(2022, 11, 1),), symbols=("BTCUSDT",))
        before = exchange.publish(old_days).archives[0]
        lake.build(lake.collect(discover(lake)))
        closes = lake.table("silver.klines").scan().to_pandas()
        after = exchange.publish(replace(old_days, seed=99)).archives[0]
        assert (before.key, before.sha256 != after.sha256) == (after.key, True)
        report = lake.collect(discover(lake))
        assert [(i.archive.key, i.state, i.revision) for i in report.archives if i.state is not ArchiveState.PRESENT][:1] == [
            (before.key, ArchiveState.VERIFIED, 2)
        ]
        built = lake.build(report)
        assert [file.key for file in built.files] == [before.key]
        entry = ledger.find("binance", before.key)
        assert entry is not None
        assert (entry.state, entry.revision, entry.sha256) == (LedgerState.PUBLISHED, 2, after.sha256)
        (revision,) = ledger.revisions("binance", [before.key])
        assert (revision.revision, revision.sha256) == (1, before.sha256)
        import hashlib

        assert hashlib.sha256(s3.get_bytes(lake.settings.lake.bucket, revision.kept_key)).hexdigest() == before.sha256
        rows = lake.table("silver.klines").scan().to_pandas()
        assert len(rows) == len(closes)
        recent = closes["open_time"] > datetime(2024, 1, 1, tzinfo=UTC)
        assert (
            rows[rows["open_time"] > datetime(2024, 1, 1, tzinfo=UTC)]
            .reset_index(drop=True)
            .equals(closes[recent].reset_index(drop=True))
        )
        assert not rows[~(rows["open_time"] > datetime(2024, 1, 1, tzinfo=UTC))]["close"].equals(closes[~recent]["close"])

    def test_an_incremental_run_asks_for_the_latest_weeks_only(self, lake: Lakehouse, exchange: Exchange) -> None:
        old = replace(CLEAN, days=day_range(date(2024, 6, 1), date(2024, 6, 5)), symbols=("BTCUSDT",))
        exchange.publish(old)
        lake.collect(discover(lake))
        exchange.publish(replace(old, seed=5))  # published anew, too long ago for a nightly run
        exchange.publish(replace(CLEAN, days=(date(2025, 1, 7),)))
        exchange.publish(replace(CLEAN, symbols=("SOLUSDT",), days=(date(2024, 6, 1),)))
        nightly = lake.collect(discover(lake), incremental=True)
        brought = {item.archive.key for item in nightly.archives if item.state is not ArchiveState.PRESENT and item.in_bronze}
        assert brought == {key_of("BTCUSDT", "2025-01-07"), key_of("ETHUSDT", "2025-01-07"), key_of("SOLUSDT", "2024-06-01")}
        assert key_of("BTCUSDT", "2024-06-01") not in {item.archive.key for item in nightly.archives}
        weekly = lake.collect(discover(lake), audit=True)
        anew = {item.archive.key for item in weekly.archives if item.state is ArchiveState.VERIFIED}
        assert anew == {key_of("BTCUSDT", f"2024-06-0{day}") for day in range(1, 6)}

    def test_a_lost_ledger_is_made_again_from_bronze_without_a_copy(self, lake: Lakehouse, tmp_path: Path) -> None:
        first = lake.collect(discover(lake))
        other = load_settings(
            storage=lake.settings.storage,
            lake=lake.settings.lake,
            archives=lake.settings.archives,
            catalog={"uri": f"sqlite:///{tmp_path}/new.db"},
        )
        before = held(lake)
        again = Lakehouse(other).collect(discover(Lakehouse(other)))
        assert again.transfer.bytes_copied < first.transfer.bytes_copied
        assert again.counts()["present"] == len(first.in_bronze)
        assert held(lake) == before
        with open_ledger(other) as ledger:
            assert ledger.find("binance", key_of("BTCUSDT", "2025-01-01")).state is LedgerState.VERIFIED  # type: ignore[union-attr]

    def test_an_audit_brings_back_what_bronze_lost(self, lake: Lakehouse, s3: S3Client) -> None:
        lake.collect(discover(lake))
        before = held(lake)
        s3.delete(lake.settings.lake.bucket, BRONZE + key_of("BTCUSDT", "2025-01-01"))
        s3.put_bytes(lake.settings.lake.bucket, BRONZE + key_of("BTCUSDT", "2025-01-05"), b"somebody else's")
        assert lake.collect(discover(lake)).transfer.bytes_copied == 0
        audited = lake.collect(discover(lake), audit=True)
        assert {item.archive.key for item in audited.archives if item.state is ArchiveState.VERIFIED} == {
            key_of("BTCUSDT", "2025-01-01"),
            key_of("BTCUSDT", "2025-01-05"),
        }
        assert held(lake) == before

    def test_an_audit_names_what_the_source_lists_no_longer_and_bronze_keeps_it(
        self, lake: Lakehouse, ledger: SqlLedger, exchange: Exchange
    ) -> None:
        lake.collect(discover(lake))
        kept, refused = key_of("BTCUSDT", "2025-01-05"), key_of("BTCUSDT", "2025-01-02")
        exchange.client.delete_objects(exchange.bucket, [kept, refused, f"{kept}.CHECKSUM", f"{refused}.CHECKSUM"])
        before = held(lake)
        assert lake.collect(discover(lake)).vanished == ()
        audited = lake.collect(discover(lake), audit=True)
        assert sorted(audited.vanished) == sorted([kept, refused])
        assert held(lake) == before
        found = {key: ledger.find("binance", key) for key in (kept, refused)}
        assert [entry.state for entry in found.values() if entry] == [LedgerState.VERIFIED, LedgerState.ABSENT]


class TestBadSources:
    def test_an_archive_that_goes_between_listing_and_copy_is_absent(
        self, lake: Lakehouse, ledger: SqlLedger, exchange: Exchange
    ) -> None:
        found = discover(lake).listed()
        exchange.client.delete(exchange.bucket, key_of("BTCUSDT", "2025-01-01"))
        report = lake.collect(found)
        assert states(report)["BTCUSDT-2025-01-01"] == "absent"
        assert report.counts()["verified"] == 15
        entry = ledger.find("binance", key_of("BTCUSDT", "2025-01-01"))
        assert entry is not None
        assert entry.state is LedgerState.ABSENT

    def test_an_archive_that_changes_between_listing_and_copy_fails_and_comes_next_time(
        self, lake: Lakehouse, exchange: Exchange
    ) -> None:
        found = discover(lake).listed()
        exchange.publish(replace(CLEAN, symbols=("BTCUSDT",), days=(date(2025, 1, 1),), seed=3))
        assert states(lake.collect(found))["BTCUSDT-2025-01-01"] in {"failed", "quarantined"}
        assert states(lake.collect(discover(lake)))["BTCUSDT-2025-01-01"] == "verified"

    def test_a_defective_month_lets_the_days_in(self, lake: Lakehouse, exchange: Exchange) -> None:
        month = Defect("checksum-mismatch", "spot", "klines", "BTCUSDT", "2025-01")
        exchange.publish(replace(CLEAN, symbols=("BTCUSDT",), days=(), months=(date(2025, 1, 1),), defects=(month,)))
        first = lake.collect(discover(lake, symbols=("BTCUSDT",)))
        assert {item.archive.frequency for item in first.archives if item.archive.period_start.year == 2025} == {"monthly"}
        second = lake.collect(discover(lake, symbols=("BTCUSDT",)))
        days = {item.archive.period_start.day for item in second.in_bronze if item.archive.period_start.year == 2025}
        assert days == {1, 4, 5, 6}


class TestPlanFirst:
    def test_a_dry_run_moves_and_remembers_nothing(self, lake: Lakehouse, ledger: SqlLedger, s3: S3Client) -> None:
        plan = lake.collect(discover(lake), dry_run=True)
        assert isinstance(plan, CollectionPlan)
        assert (plan.objects, plan.count(Task.COPY), plan.estimated_s) == (19, 19, None)
        assert plan.size_bytes == sum(archive.size_bytes for archive in discover(lake).archives)
        assert plan.first_time
        assert "19 to bring" in plan._repr_html_() or "19" in plan._repr_html_()
        assert ledger.count("binance") == 0
        assert list(s3.list_objects(lake.settings.lake.bucket)) == []

    def test_its_requests_are_those_that_the_run_takes(self, lake: Lakehouse) -> None:
        plan = lake.collect(discover(lake), dry_run=True)
        report = lake.collect(discover(lake))
        checksums = sum(item.archive.checksum_key is not None for item in report.archives)
        assert abs(plan.requests - (report.transfer.s3_requests + 2 * checksums)) <= 4  # one refused, one that comes to nothing

    def test_the_time_is_that_of_the_last_run(self, lake: Lakehouse, ledger: SqlLedger, exchange: Exchange) -> None:
        lake.collect(discover(lake))
        run = ledger.last_run("binance")
        assert run is not None
        exchange.publish(replace(CLEAN, symbols=("BTCUSDT",), days=day_range(date(2023, 1, 1), date(2023, 2, 3)), seed=2))
        plan = lake.collect(discover(lake), dry_run=True)
        assert plan.objects == 34
        assert plan.estimated_s == pytest.approx(run.seconds * max(34 / run.objects, plan.size_bytes / run.size_bytes))
        assert lake.collect(discover(lake, symbols=("ETHUSDT",)), dry_run=True).estimated_s == 0.0


class TestCoverage:
    def coverage(self, lake: Lakehouse, **narrow: object) -> dict[tuple[str, str], str]:
        found = lake.coverage(markets=("spot",), data_types=("klines",), **narrow)  # type: ignore[arg-type]
        return {(period.series[3], f"{period.start:%m-%d}"): period.state.value for period in found.periods}

    def test_every_day_has_the_state_that_was_planted(self, lake: Lakehouse) -> None:
        lake.build(lake.collect(discover(lake)))
        found = self.coverage(lake)
        odd = {
            ("BTCUSDT", "01-02"): "defective",
            ("BTCUSDT", "01-03"): "defective",
            ("ETHUSDT", "01-03"): "defective",
            ("ETHUSDT", "01-04"): "missing",
        }
        days = [f"{day:%m-%d}" for day in DAYS]
        assert found == {(s, d): odd.get((s, d), "present") for s in ("BTCUSDT", "ETHUSDT") for d in days}

    def test_before_a_collection_all_is_pending_and_outside_the_listing_nothing_is_missing(self, lake: Lakehouse) -> None:
        from lakehouse_sdk.jobs import plan_collection

        assert self.coverage(lake) == {}
        plan_collection(discover(lake, symbols=("BTCUSDT",)), settings=lake.settings)
        start, end = datetime(2024, 12, 26, tzinfo=UTC), datetime(2025, 1, 9, tzinfo=UTC)
        found = self.coverage(lake, symbols=("BTCUSDT",), start=start, end=end)
        assert [found["BTCUSDT", f"{start + timedelta(days=day):%m-%d}"] for day in range(14)] == [
            *["unpublished"] * 2, *["pending"] * 5, "pending", "defective", *["pending"] * 3, *["unpublished"] * 2,
        ]  # fmt: skip

    def test_a_repair_brings_just_what_is_missing_or_wrong(self, lake: Lakehouse, exchange: Exchange) -> None:
        lake.build(lake.collect(discover(lake)))
        exchange.publish(CLEAN)
        repaired = lake.collect(discover(lake), repair=True)
        assert {item.archive.key for item in repaired.archives} == {
            key_of("BTCUSDT", "2025-01-02"),
            key_of("BTCUSDT", "2025-01-03"),
            key_of("ETHUSDT", "2025-01-03"),
            key_of("ETHUSDT", "2025-01-04"),
        }
        assert repaired.counts()["verified"] == 4
        lake.build(repaired)
        assert set(self.coverage(lake).values()) == {"present"}
        assert lake.collect(discover(lake), repair=True).archives == ()

    def test_it_is_shown_as_a_heat_map_and_as_a_table(self, lake: Lakehouse) -> None:
        empty = lake.coverage(markets=("spot",), data_types=("klines",))
        assert "nothing yet" in empty._repr_html_()
        lake.build(lake.collect(discover(lake)))
        found = lake.coverage(markets=("spot",), data_types=("klines",))
        html = found._repr_html_()
        assert html.count("<svg") == 2
        assert "2025-01-04 missing" in html
        frame = found.to_pandas()
        assert len(frame) == 20
        assert list(frame[frame["state"] == "missing"]["symbol"]) == ["ETHUSDT"]
        assert found.to_dict()["periods"]["defective"] == 3  # type: ignore[index]


class TestInstruments:
    def test_delisted_symbols_are_in_the_universe(self, lake: Lakehouse, exchange: Exchange) -> None:
        gone = replace(CLEAN, symbols=("SOLUSDT",), interval="1d", days=day_range(date(2023, 1, 1), date(2023, 1, 5)))
        exchange.publish(gone)
        exchange.publish(replace(CLEAN, interval="1d", symbols=("BTCUSDT",)))
        found = lake.instruments(markets=("spot",))
        assert [(i.symbol, i.canonical, f"{i.first:%Y-%m-%d}", f"{i.last:%Y-%m-%d}", i.delisted) for i in found] == [
            ("BTCUSDT", "BTC/USDT", "2024-12-28", "2025-01-07", False),
            ("SOLUSDT", "SOL/USDT", "2023-01-01", "2023-01-06", True),
        ]
        assert [i.symbol for i in found.active_at(datetime(2023, 1, 3, tzinfo=UTC))] == ["SOLUSDT"]
        assert list(found.to_pandas()["delisted"]) == [False, True]
        assert "SOL/USDT" in found._repr_html_()
        assert "1 delisted" in repr(found)
