"""The mirror holds what its truth says, as read by plain zipfile, csv and s3fs: nothing here uses the SDK's own readers."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import pytest
import s3fs

from lakehouse_sdk import testing
from lakehouse_sdk.events import Event, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import (
    ArchiveTruth,
    Defect,
    DefectKind,
    MirrorSpec,
    MirrorTruth,
    day_range,
    demo_mirror,
    month_range,
    publish_mirror,
)

BUCKET = "mirror.of.everything"
EVERYTHING = replace(
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
        Defect("row-of-next-day", "um", "aggTrades", "SOLUSDT", "2024-11"),
    ),
)
"""The demo's archives with few rows, and each defect of the rows in both kinds of data."""


@pytest.fixture(scope="module")
def truth(minio: MinioServer) -> MirrorTruth:
    return publish_mirror(minio.profile, BUCKET, EVERYTHING)


@pytest.fixture(scope="module")
def published(minio: MinioServer, truth: MirrorTruth) -> dict[str, bytes]:
    """Every object of the bucket, fetched by s3fs without credentials."""
    options = minio.profile.to_fsspec() | {"anon": True, "key": None, "secret": None}
    fs = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    found: dict[str, bytes] = fs.cat(fs.find(BUCKET))
    return {key.removeprefix(f"{BUCKET}/"): content for key, content in found.items()}


def test_anybody_finds_exactly_the_archives_checksums_and_oddities_of_the_truth(
    truth: MirrorTruth, published: dict[str, bytes]
) -> None:
    keys = {archive.key for archive in truth.archives}
    checksums = {f"{archive.key}.CHECKSUM" for archive in truth.archives if archive.has_checksum}
    assert set(published) == keys | checksums | {oddity.key for oddity in truth.oddities}
    assert keys.isdisjoint(truth.not_published)
    assert len(keys) + len(truth.not_published) == sum(1 for _ in EVERYTHING.places())


def test_sizes_hashes_and_checksum_files_are_as_the_truth_says(truth: MirrorTruth, published: dict[str, bytes]) -> None:
    for archive in truth.archives:
        content = published[archive.key]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (archive.size_bytes, archive.sha256)
        if archive.has_checksum:
            digest, name = published[f"{archive.key}.CHECKSUM"].decode().removesuffix("\n").split("  ")
            right = (digest.lower(), name) == (archive.sha256, archive.key.rpartition("/")[2])
            assert right == (archive.refused not in {"checksum-mismatch", "checksum-malformed"})
            assert digest.islower() == (archive.defect != "checksum-uppercase")


def test_every_row_has_the_fate_that_the_truth_says(truth: MirrorTruth, published: dict[str, bytes]) -> None:
    """A reader of thirty lines, made for this test, comes to the same counts and sums."""
    for archive in truth.archives:
        seen = judge(archive, published[archive.key])
        if archive.refused in {"checksum-mismatch", "checksum-malformed"}:
            assert (archive.rows_in, archive.accepted, archive.volume) == (0, 0, "0")
            continue
        expected = (archive.refused, archive.rows_in, archive.accepted, archive.duplicates, dict(archive.quarantined))
        assert seen[:5] == expected, archive
        assert seen[5] == Decimal(archive.volume), archive
        assert archive.rows_in == archive.accepted + archive.duplicates + sum(archive.quarantined.values())


def test_every_defect_and_every_rule_occurs(truth: MirrorTruth) -> None:
    planted = {archive.defect for archive in truth.archives} | {oddity.kind for oddity in truth.oddities} | {"not-published"}
    assert planted >= set(get_args(DefectKind))
    assert set(truth.totals.quarantined_by_rule) == {
        "column-count",
        "conflicting-duplicate",
        "number",
        "ohlc-order",
        "outside-period",
        "price-positive",
        "taker-within-volume",
        "volume-nonnegative",
    }
    assert set(truth.totals.refused_by_reason) == {
        "checksum-malformed",
        "checksum-mismatch",
        "zip-members",
        "zip-unreadable",
    }


def test_daily_and_monthly_archives_of_the_same_days_hold_the_same_rows(
    truth: MirrorTruth, published: dict[str, bytes]
) -> None:
    key = "data/futures/um/{0}/aggTrades/ETHUSDT/ETHUSDT-aggTrades-{1}.zip"
    month = rows_of(published[key.format("monthly", "2024-12")])
    days = [row for day in range(27, 32) for row in rows_of(published[key.format("daily", f"2024-12-{day}")])]
    assert len(days) == 5 * 90
    assert month[-len(days) :] == days


def test_publishing_again_writes_the_same_bytes_and_tells_the_observer(minio: MinioServer, s3: S3Client, bucket: str) -> None:
    spec = MirrorSpec(
        days=day_range(date(2025, 1, 1), date(2025, 1, 5)),
        interval="1h",
        trades_per_day=5,
        defects=(Defect("not-published", "spot", "klines", "BTCUSDT", "2025-01-02"),),
    )
    full = publish_mirror(minio.profile, bucket, replace(spec, defects=()))
    events: list[Event] = []
    again = publish_mirror(minio.profile, bucket, spec, observer=events.append)
    assert again.archives == tuple(archive for archive in full.archives if archive.key not in again.not_published)
    assert len(list(s3.list_objects(bucket))) == 2 * 4
    started, *progress, finished = events
    assert isinstance(started, StageStarted)
    assert isinstance(finished, StageFinished)
    assert started.total_objects == 4
    assert [event.done_objects for event in progress if isinstance(event, StageProgress)] == [1, 2, 3, 4]
    assert progress[-1] == StageProgress("publish", 4, again.totals.size_bytes)
    assert finished.summary == "4 archives, 96 rows"


def test_an_empty_mirror_is_a_public_bucket(minio: MinioServer, bucket: str) -> None:
    truth = publish_mirror(minio.profile, bucket, MirrorSpec())
    assert truth.totals.archives == 0
    with S3Client(minio.profile.model_copy(update={"anonymous": True})) as anybody:
        assert list(anybody.list_objects(bucket)) == []


def test_a_month_without_any_published_archive_is_no_work(minio: MinioServer, bucket: str) -> None:
    only = Defect("not-published", "spot", "klines", "BTCUSDT", "2025-01")
    truth = publish_mirror(
        minio.profile, bucket, MirrorSpec(months=month_range(date(2025, 1, 1), date(2025, 1, 1)), defects=(only,))
    )
    assert (truth.archives, len(truth.not_published)) == ((), 1)


def test_importing_the_test_kit_loads_neither_numpy_nor_arrow() -> None:
    code = "import sys, lakehouse_sdk.testing as t; t.demo_mirror(); sys.exit(not {'numpy', 'pyarrow'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing


# -- a second opinion: the published rules in the plainest Python ------------------------------------------------------------


def rows_of(packed: bytes) -> list[list[str]]:
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        (name,) = file.namelist()
        rows = list(csv.reader(io.TextIOWrapper(file.open(name), "ascii", newline="")))
    return rows[1:] if rows[0][0] in {"open_time", "agg_trade_id"} else rows


def judge(archive: ArchiveTruth, packed: bytes) -> tuple[Any, ...]:
    """(refused, rows in, accepted, duplicates, quarantined by rule, volume)."""
    try:
        rows = rows_of(packed)
    except zipfile.BadZipFile:
        return "zip-unreadable", 0, 0, 0, {}, Decimal(0)
    except ValueError:
        return "zip-members", 0, 0, 0, {}, Decimal(0)
    rules: Counter[str] = Counter()
    sound: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in rows:
        broken = list(broken_rules(archive, row))
        assert len(broken) <= 1, "a planted row breaks one rule, so that the counts by rule are unambiguous"
        if broken:
            rules[broken[0]] += 1
        else:
            sound[row[0]].append(tuple(row))
    accepted = [same[0] for same in sound.values() if len(set(same)) == 1]
    rules["conflicting-duplicate"] += sum(len(same) for same in sound.values() if len(set(same)) > 1)
    duplicates = len(rows) - len(accepted) - rules.total()
    amount = 5 if archive.data_type == "klines" else 2
    return None, len(rows), len(accepted), duplicates, dict(+rules), sum((Decimal(row[amount]) for row in accepted), Decimal(0))


def broken_rules(archive: ArchiveTruth, row: list[str]) -> Iterator[str]:
    klines = archive.data_type == "klines"
    if len(row) != (12 if klines else 8 if archive.market == "spot" else 7):
        yield "column-count"
        return
    try:
        numbers = [Decimal(cell) for cell in (row if klines else row[:6])]
    except InvalidOperation:
        yield "number"
        return
    time = numbers[0 if klines else 5]
    moment = datetime.fromtimestamp(float(time) / (1_000_000 if time > 10**14 else 1_000), UTC)
    if not moment.date().isoformat().startswith(archive.period):
        yield "outside-period"
    yield from broken_values(numbers, klines=klines)


def broken_values(numbers: list[Decimal], *, klines: bool) -> Iterator[str]:
    if not klines:
        if numbers[1] <= 0:
            yield "price-positive"
        if numbers[2] < 0:
            yield "volume-nonnegative"
        return
    opened, high, low, close, volume = numbers[1:6]
    if not low <= min(opened, close) <= max(opened, close) <= high:
        yield "ohlc-order"
    if low <= 0:
        yield "price-positive"
    if volume < 0 or numbers[8] < 0:
        yield "volume-nonnegative"
    if numbers[9] > volume or numbers[10] > numbers[7]:
        yield "taker-within-volume"
