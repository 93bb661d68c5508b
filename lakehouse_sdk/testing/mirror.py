"""Publishes a mirror of the exchange's public bucket on any S3 server."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import accumulate, groupby

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing.binance_csv import Rows, find_header, format_agg_trades, format_bars
from lakehouse_sdk.testing.defects import CHECKSUM_DEFECTS, ZIP_DEFECTS, Damage, damage_rows
from lakehouse_sdk.testing.market import aggregate, find_instrument, make_bars, make_trades
from lakehouse_sdk.testing.spec import INTERVAL_SECONDS, STRAY_KINDS, Defect, DefectKind, MirrorSpec, Place
from lakehouse_sdk.testing.truth import ArchiveTruth, MirrorTruth, OddityTruth

_WORKERS = 8
_WINDOW = 64
_COMPRESSION_LEVEL = 1  # a fifth of the default level's time, for files a fifth larger


@dataclass(frozen=True, slots=True)
class _Draft:
    """An archive that is generated, but not packed yet; `defect` is planted while packing."""

    place: Place
    rows: Rows
    defect: DefectKind | None


def publish_mirror(profile: S3Profile, bucket: str, spec: MirrorSpec, *, observer: Observer = ignore_events) -> MirrorTruth:
    """Generate the archives and write them, each with its checksum, into `bucket`, which anybody may then list and read.

    The bucket is created when missing. Publishing the same spec again writes the same bytes; keys of other specs stay.
    Generating, packing and writing overlap, one month of one symbol is in memory at a time, and no disk is touched here.

    Args:
        profile: A server, with credentials that may create buckets.
        bucket: Bucket, for example `data.binance.vision`.
        spec: What to publish.
        observer: Told as stage `publish`.

    Returns:
        What was published, and what must become of it.
    """
    began = time.perf_counter()
    absent = {defect.place for defect in spec.defects if defect.kind == "not-published"}
    total = sum(place not in absent for place in spec.places())
    observer(StageStarted("publish", f"{bucket} at {profile.resolved_endpoint_url}", total_objects=total))
    archives: list[ArchiveTruth] = []
    size_bytes = 0
    with S3Client(profile, max_connections=_WORKERS) as client, ThreadPoolExecutor(_WORKERS, "mirror") as pool:
        client.ensure_bucket(bucket)
        client.set_public_read(bucket)
        publish = partial(_publish, client, bucket, spec)
        for archive in map_ordered(pool, publish, _draft_archives(spec), window=_WINDOW):
            archives.append(archive)
            size_bytes += archive.size_bytes
            observer(StageProgress("publish", len(archives), size_bytes))
        for key in (spec.key(place, suffix) for place in absent for suffix in (".zip", ".zip.CHECKSUM")):
            client.delete(bucket, key)
        oddities = [_publish_stray(client, bucket, spec, defect) for defect in spec.defects if defect.kind in STRAY_KINDS]
    truth = MirrorTruth(
        bucket,
        tuple(sorted(archives, key=lambda archive: archive.key)),
        tuple(sorted(oddities, key=lambda oddity: oddity.key)),
        tuple(sorted(spec.key(place) for place in absent)),
    )
    summary = f"{len(archives)} archives, {truth.totals.rows_published} rows"
    observer(StageFinished("publish", time.perf_counter() - began, summary))
    return truth


def _draft_archives(spec: MirrorSpec) -> Iterator[_Draft]:
    """All archives that are published, the trades of a day being generated once for all archives that hold them."""
    defects = {defect.place: defect.kind for defect in spec.defects if defect.kind not in STRAY_KINDS}
    by_series_and_month = sorted(spec.places(), key=lambda place: (place.market, place.symbol, place.period[:7]))
    groups = groupby(by_series_and_month, key=lambda place: (place.market, place.symbol, place.period[:7]))
    for (market, symbol, _), group in groups:
        places = [place for place in group if defects.get(place) != "not-published"]
        for place, rows in _draft_month(spec, market, symbol, places):
            yield _Draft(place, rows, defects.get(place))


def _draft_month(spec: MirrorSpec, market: str, symbol: str, places: list[Place]) -> Iterator[tuple[Place, Rows]]:
    """Archives of one symbol that lie in one month, cut from rows that are formatted once."""
    days = sorted({day for place in places for day in place.days})
    if not days:
        return
    instrument = find_instrument(market, symbol)
    trades = [
        make_trades(instrument, day, orders=spec.trades_per_day, seed=spec.seed, halted=day in spec.halts) for day in days
    ]
    for data_type in spec.data_types:
        if data_type == "klines":
            interval_s = INTERVAL_SECONDS[spec.interval]
            bars = [make_bars(day, interval_s) for day in trades]
            counts = [len(day.open_time_us) for day in bars]
            rows = format_bars(instrument, bars, interval_s, days[0])
        else:
            orders = [aggregate(day) for day in trades]
            counts = [len(day.id) for day in orders]
            rows = format_agg_trades(instrument, orders, days[0])
        ends = dict(zip(days, accumulate(counts), strict=True))
        starts = {day: ends[day] - count for day, count in zip(days, counts, strict=True)}
        for place in places:
            if place.data_type == data_type:
                yield place, rows.cut(starts[place.days[0]], ends[place.days[-1]])


def _publish(client: S3Client, bucket: str, spec: MirrorSpec, draft: _Draft) -> ArchiveTruth:
    """Pack and write one archive; the checksum first, as the exchange does."""
    place, defect = draft.place, draft.defect
    key = spec.key(place)
    damage = damage_rows(defect, place.data_type, draft.rows.text.splitlines()) if defect else None
    packed = _pack(place, key, b"".join(b"%s\n" % line for line in damage.lines) if damage else draft.rows.text, defect)
    sha256 = hashlib.sha256(packed).hexdigest()
    checksum = _checksum(key, sha256, defect)
    if checksum:
        client.put_bytes(bucket, f"{key}.CHECKSUM", checksum)
    else:
        client.delete(bucket, f"{key}.CHECKSUM")
    client.put_bytes(bucket, key, packed, content_type="application/zip")
    return _expect(spec, draft, damage, len(packed), sha256)


def _pack(place: Place, key: str, text: bytes, defect: DefectKind | None) -> bytes:
    """The zip file: one deflated CSV named as the archive, with a header where the exchange writes one."""
    first_day = place.days[0]
    header = find_header(place.market, place.data_type, place.frequency, first_day)
    if header and defect != "header-missing":
        text = f"{header}\n".encode() + text
    stem = key.rpartition("/")[2].removesuffix(".zip")
    names = [f"{stem}.csv", f"{stem}-copy.csv"] if defect == "zip-two-members" else [f"{stem}.csv"]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as file:
        for name in names:  # a fixed time, so that the same rows give the same bytes
            member = zipfile.ZipInfo(name, (first_day.year, first_day.month, first_day.day, 0, 0, 0))
            file.writestr(member, text, zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)
    packed = sink.getvalue()
    return packed[: len(packed) * 2 // 3] if defect == "zip-truncated" else packed


def _checksum(key: str, sha256: str, defect: DefectKind | None) -> bytes | None:
    name = key.rpartition("/")[2]
    if defect == "checksum-missing":
        return None
    if defect == "checksum-mismatch":
        sha256 = hashlib.sha256(b"an earlier version of the file").hexdigest()
    if defect == "checksum-uppercase":
        sha256 = sha256.upper()
    if defect == "checksum-other-file":
        name = f"another-{name}"
    return f"{sha256}  {name}\n".encode()


def _expect(spec: MirrorSpec, draft: _Draft, damage: Damage | None, size_bytes: int, sha256: str) -> ArchiveTruth:
    place, rows, defect = draft.place, draft.rows, draft.defect
    refused = {**CHECKSUM_DEFECTS, **ZIP_DEFECTS}.get(defect) if defect else None
    damage = damage or Damage([])
    published = len(damage.lines) or len(rows.ends)
    accepted = published - damage.duplicates - sum(damage.quarantined.values())
    amount = int(rows.amounts.sum()) - sum(int(rows.amounts[index]) for index in damage.lost)
    return ArchiveTruth(
        key=spec.key(place),
        market=place.market,
        data_type=place.data_type,
        symbol=place.symbol,
        interval=spec.interval if place.data_type == "klines" else None,
        frequency=place.frequency,
        period=place.period,
        size_bytes=size_bytes,
        sha256=sha256,
        has_checksum=defect != "checksum-missing",
        rows_published=published,
        rows_in=0 if refused else published,
        accepted=0 if refused else accepted,
        duplicates=damage.duplicates,
        quarantined=dict(damage.quarantined),
        volume="0" if refused else str(Decimal(amount).scaleb(-rows.amount_decimals)),
        refused=refused,
        defect=defect,
    )


def _publish_stray(client: S3Client, bucket: str, spec: MirrorSpec, defect: Defect) -> OddityTruth:
    """A key that fits no layout: a left-over of the exchange's own tools, or a month without its zero."""
    key = spec.key(defect.place)
    if defect.kind == "stray-part":
        key = f"{key.rpartition('/')[0]}/part-00000-3f2504e0-4f89-41d3-9a0c-0305e82c3301-c000.zip"
    else:
        key = spec.key(defect.place, suffix="").removesuffix(defect.place.period) + f"{defect.place.period[:4]}-8.zip"
    client.put_bytes(bucket, key, b"not an archive")
    return OddityTruth(key, defect.kind)
