"""A mirror of FTX on a real S3 server and in a folder: the same archives, the same oddities, whatever lies about."""

from __future__ import annotations

import gzip
import hashlib
import os
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Checksum, Oddity, SourceConnector, fetch_checksums
from lakehouse_sdk.archives.ftx import DATASETS, ArchiveKey, FtxConnector, Layout, format_key
from lakehouse_sdk.archives.ftx.mirror import Folder, LocalMirror, Mirror
from lakehouse_sdk.archives.ftx.walk import Walk
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import AccessError, ConflictError, ConnectError, IntegrityError, NotFoundError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.testing import day_range
from lakehouse_sdk.uris import LocalAddress, S3Address

DAYS = day_range(date(2021, 12, 30), date(2022, 1, 3))
SYMBOLS = ("BTC-0325", "BTC-MOVE-0101", "BTC-PERP", "BTC-USD", "ETH-PERP")
ALL = ArchiveQuery(("spot", "perp", "future", "move"), ("trades",))
PREFIX = "mirrors/ftx"

Publish = Callable[..., FtxConnector]


def pack(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def make_files(layout: Layout = "tardis", data_type: str = "trades", interval: str | None = None) -> dict[str, bytes]:
    """Synthetic archives, each with its checksum."""
    files = {}
    for day in DAYS:
        for symbol in SYMBOLS:
            key = format_key(ArchiveKey(data_type, interval, symbol, day), layout)
            files[key] = pack(f"exchange,symbol,timestamp\nftx,{symbol},{day}\n")
            name = key.rpartition("/")[2]
            files[f"{key}.sha256"] = f"{hashlib.sha256(files[key]).hexdigest()}  {name}\n".encode()
    return files


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    for key, content in files.items():
        file = root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@pytest.fixture(params=["s3", "folder"])
def publish(request: pytest.FixtureRequest, minio: MinioServer, s3: S3Client, bucket: str, tmp_path: Path) -> Publish:
    """Writes files into a mirror, and gives a connector to it."""

    def on_s3(files: Mapping[str, bytes], layout: Layout = "tardis") -> FtxConnector:
        for key, content in files.items():
            s3.put_bytes(bucket, f"{PREFIX}/{key}", content)
        ftx = {"root": f"lakehouse://mirror@{bucket}/{PREFIX}", "layout": layout}
        return FtxConnector(load_settings(profiles={"mirror": minio.profile}, archives={"ftx": ftx}))

    def in_folder(files: Mapping[str, bytes], layout: Layout = "tardis") -> FtxConnector:
        write_files(tmp_path / "ftx", files)
        return connect_folder(tmp_path / "ftx", layout)

    return on_s3 if request.param == "s3" else in_folder


def connect_folder(root: Path, layout: Layout = "tardis") -> FtxConnector:
    return FtxConnector(load_settings(archives={"ftx": {"root": str(root), "layout": layout}}))


def discover(connector: SourceConnector, query: ArchiveQuery = ALL) -> tuple[list[ArchiveObject], dict[str, str]]:
    found = list(connector.discover(query))
    archives = [entry for entry in found if isinstance(entry, ArchiveObject)]
    oddities = {entry.key: entry.reason for entry in found if isinstance(entry, Oddity)}
    assert len(found) == len(archives) + len(oddities)
    return archives, oddities


# -- what is there ------------------------------------------------------------------------------------------------------------


def test_every_archive_is_found_once_series_by_series(publish: Publish) -> None:
    files = make_files()
    archives, oddities = discover(publish(files))
    assert not oddities
    assert [(a.market, a.symbol, a.period_start.date()) for a in archives] == [
        (market, symbol, day)
        for market, symbol in (
            ("future", "BTC-0325"),
            ("move", "BTC-MOVE-0101"),
            ("perp", "BTC-PERP"),
            ("perp", "ETH-PERP"),
            ("spot", "BTC-USD"),
        )
        for day in DAYS
    ]
    assert {archive.key for archive in archives} == {key for key in files if not key.endswith(".sha256")}
    for archive in archives:
        assert archive.key == f"trades/{archive.period_start:%Y/%m/%d}/{archive.symbol}.csv.gz"
        assert archive.size_bytes == len(files[archive.key])
        assert (archive.source, archive.frequency, archive.container, archive.interval) == ("ftx", "daily", "gz", None)
        assert archive.checksum_key == f"{archive.key}.sha256"
        assert archive.etag
        assert archive.checksum_etag
        assert archive.last_modified.utcoffset() is not None


@pytest.mark.parametrize(
    ("layout", "data_type", "interval"),
    [("native-json", "trades", None), ("native-json", "candles", "15s"), ("ohlcv-csv", "candles", "1d")],
)
def test_the_other_layouts(publish: Publish, layout: Layout, data_type: str, interval: str | None) -> None:
    connector = publish(make_files(layout, data_type, interval), layout)
    archives, oddities = discover(connector, replace(ALL, data_types=(data_type,)))
    assert (len(archives), oddities) == (len(DAYS) * len(SYMBOLS), {})
    assert {archive.interval for archive in archives} == {interval}
    result = connector.check()
    assert (result.ok, result.reason.endswith(f"holds {data_type}.")) == (True, True)


def test_intervals_are_series_of_their_own(publish: Publish) -> None:
    files = {**make_files("ohlcv-csv", "candles", "1m"), **make_files("ohlcv-csv", "candles", "4h")}
    stray = {"candles/2022/01/01/BTC-USD.csv.gz": b"x", "candles/7m/2022/01/01/BTC-USD.csv.gz": b"x", "candles/README": b"x"}
    connector = publish({**files, **stray}, "ohlcv-csv")
    query = replace(ALL, data_types=("candles",))
    archives, oddities = discover(connector, query)
    assert [a.interval for a in archives] == ["1m"] * (len(archives) // 2) + ["4h"] * (len(archives) // 2)
    assert set(oddities) == set(stray)
    narrowed, strays = discover(connector, replace(query, intervals=("4h",)))
    assert (narrowed, strays) == ([a for a in archives if a.interval == "4h"], {})


def test_filters_narrow_the_result(publish: Publish) -> None:
    connector = publish({**make_files(), **make_files(data_type="liquidations")})
    archives, _ = discover(connector)

    def symbols(query: ArchiveQuery) -> set[str]:
        return {archive.symbol for archive in discover(connector, query)[0]}

    assert symbols(replace(ALL, symbols=("BTC-*",))) == {symbol for symbol in SYMBOLS if symbol.startswith("BTC")}
    assert symbols(replace(ALL, symbols=("BTC-PERP", "nothing"))) == {"BTC-PERP"}
    assert symbols(replace(ALL, symbols=("btc-perp",))) == set()
    assert symbols(replace(ALL, markets=("perp",))) == {"BTC-PERP", "ETH-PERP"}
    assert symbols(replace(ALL, frequencies=("monthly",))) == set()
    both, oddities = discover(connector, replace(ALL, data_types=("trades", "liquidations")))
    spot_liquidations = {f"liquidations/{day:%Y/%m/%d}/BTC-USD.csv.gz" for day in DAYS}
    assert [archive.data_type for archive in both] == ["trades"] * 25 + ["liquidations"] * 20
    assert set(oddities) == spot_liquidations
    late = replace(ALL, start=datetime(2022, 1, 1, 12, tzinfo=UTC), end=datetime(2022, 1, 3, tzinfo=UTC))
    assert {a.period_start.day for a in discover(connector, late)[0]} == {1, 2}
    series = ("ftx", "perp", "trades", "BTC-PERP", "")
    since = replace(ALL, since={(series, "daily"): datetime(2022, 1, 2, tzinfo=UTC)})
    expected = [a for a in archives if a.series != series or a.period_start >= datetime(2022, 1, 2, tzinfo=UTC)]
    assert discover(connector, since)[0] == expected
    assert len(expected) == len(archives) - 3


def test_only_the_days_asked_for_are_listed(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    connector = publish(make_files())
    mirror = connector._mirror
    assert mirror is not None
    asked: list[str] = []
    read_folder = mirror.read_folder

    def count(folder: str) -> Folder:
        asked.append(folder)
        return read_folder(folder)

    monkeypatch.setattr(mirror, "read_folder", count)
    found = connector.discover(
        replace(ALL, start=datetime(2022, 1, 1, tzinfo=UTC), end=datetime(2022, 1, 2, 0, 0, 1, tzinfo=UTC))
    )
    assert asked == []
    list(found)
    assert asked[:3] == ["trades/", "trades/2022/", "trades/2022/01/"]
    assert sorted(asked[3:]) == ["trades/2022/01/01/", "trades/2022/01/02/"]


# -- what does not belong -----------------------------------------------------------------------------------------------------

GOOD = "trades/2022/01/01/BTC-PERP.csv.gz"
ODD = {
    "trades/README": "does not lie in a folder",
    "trades/2022/notes.txt": "does not lie in a folder",
    "trades/2022/01/index.html": "does not lie in a folder",
    "trades/2022/1/1/BTC-PERP.csv.gz": "is no day YYYY/MM/DD",
    "trades/2022/01/1/BTC-PERP.csv.gz": "is no day",
    "trades/2022/13/01/BTC-PERP.csv.gz": "is no day",
    "trades/2022/01/01/old/deep/BTC-PERP.csv.gz": "does not lie in a folder",
    "trades/2022/11/14/BTC-PERP.csv.gz": "2022-11-14 is not one of",
    "trades/2023/01/01/BTC-PERP.csv.gz": "2023-01-01 is not one of",
    "trades/2019/04/30/BTC-PERP.csv.gz": "2019-04-30 is not one of",
    "trades/0001/01/01/BTC-PERP.csv.gz": "0001-01-01 is not one of",
    "trades/9999/12/31/BTC-PERP.csv.gz": "9999-12-31 is not one of",
    "trades/0000/00/00/BTC-PERP.csv.gz": "is no day",
    "trades/2022/01/01/BTC-PERP.csv.gz.tmp": "not finished",
    "trades/2022/01/01/BTC-PERP.csv.gz.unconfirmed": "not finished",
    "trades/2022/01/01/.BTC-PERP.csv.gz": "hidden",
    "trades/2022/01/01/BTC-PERP.json.gz": r"does not end with",
    "trades/2022/01/01/ビットコイン-PERP.csv.gz": "is no symbol",
    "trades/2022/01/01/B C+D%20&é.csv.gz": "is no symbol",
    "trades/2022/01/01/ETH-PERP.csv.gz.sha256": "checksum of an archive that is not there",
    "trades/2022/01/01/PERPETUALS.csv.gz": "is no symbol",
}


def test_whatever_lies_about_is_reported_and_nothing_of_it_collected(publish: Publish) -> None:
    elsewhere = {"README.md": b"x", "quotes/2022/01/01/BTC-PERP.csv.gz": b"x", "unknown/file": b"x"}
    archives, oddities = discover(publish({**dict.fromkeys((GOOD, *ODD), b"x"), **elsewhere}))
    assert [archive.key for archive in archives] == [GOOD]
    assert set(oddities) == set(ODD)
    assert {key for key, reason in ODD.items() if reason not in oddities[key]} == set()


def test_days_at_both_ends_of_the_calendar_are_compared_with_the_query(publish: Publish) -> None:
    odd = [f"trades/{day}/BTC-PERP.csv.gz" for day in ("0001/01/01", "9999/12/31")]
    connector = publish(dict.fromkeys((GOOD, *odd), b"x"))
    moment = datetime(2022, 1, 1, 12, tzinfo=UTC)
    assert list(discover(connector, replace(ALL, start=moment))[1]) == odd[1:]
    assert list(discover(connector, replace(ALL, end=moment))[1]) == odd[:1]


def test_narrowed_by_time_the_oddities_of_other_days_are_not_listed(publish: Publish) -> None:
    connector = publish({GOOD: b"x", "trades/2022/01/01/x": b"x", "trades/2022/01/02/y": b"x", "trades/2023/z": b"x"})
    _, oddities = discover(
        connector, replace(ALL, start=datetime(2022, 1, 1, tzinfo=UTC), end=datetime(2022, 1, 2, tzinfo=UTC))
    )
    assert list(oddities) == ["trades/2022/01/01/x"]


def test_a_data_type_that_the_mirror_lacks_is_empty(publish: Publish) -> None:
    assert discover(publish({GOOD: b"x"}), replace(ALL, data_types=("quotes",))) == ([], {})


def test_objects_that_stand_for_folders_are_passed_over(minio: MinioServer, s3: S3Client, bucket: str) -> None:
    for key in ("trades/", "trades/2022/", "trades/2022/01/01/", GOOD):
        s3.put_bytes(bucket, key, b"x" if key == GOOD else b"")
    connector = FtxConnector(load_settings(storage=minio.profile, archives={"ftx": {"root": f"s3://{bucket}"}}))
    archives, oddities = discover(connector)
    assert ([archive.key for archive in archives], oddities) == ([GOOD], {})
    assert connector.find_address(archives[0]) == S3Address(bucket, GOOD)


# -- bytes and checksums ------------------------------------------------------------------------------------------------------


def test_bytes_and_checksums_agree_with_what_was_written(publish: Publish) -> None:
    files = make_files()
    connector = publish(files)
    archives, _ = discover(connector)
    for archive in archives:
        with connector.open(archive) as stream:
            assert stream.read() == files[archive.key]
    outcomes = {archive.key: outcome for archive, outcome in fetch_checksums(connector, archives)}
    assert outcomes == {
        archive.key: Checksum(hashlib.sha256(files[archive.key]).hexdigest(), files[f"{archive.key}.sha256"])
        for archive in archives
    }


def test_checksums_that_are_missing_foreign_or_no_checksum(publish: Publish) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    connector = publish(
        {
            "trades/2022/01/01/BTC-PERP.csv.gz": b"x",
            "trades/2022/01/02/BTC-PERP.csv.gz": b"x",
            "trades/2022/01/02/BTC-PERP.csv.gz.sha256": f"{digest}  ETH-PERP.csv.gz\n".encode(),
            "trades/2022/01/03/BTC-PERP.csv.gz": b"x",
            "trades/2022/01/03/BTC-PERP.csv.gz.sha256": b"<html>",
            "trades/2022/01/04/BTC-PERP.csv.gz": b"x",
            "trades/2022/01/04/BTC-PERP.csv.gz.sha256": f"{digest.upper()} *BTC-PERP.csv.gz\n".encode(),
        }
    )
    missing, foreign, broken, upper = discover(connector)[0]
    assert (missing.checksum_key, connector.checksum(missing)) == (None, None)
    with pytest.raises(IntegrityError, match="is that of 'ETH-PERP"):
        connector.checksum(foreign)
    with pytest.raises(IntegrityError, match="not one line of 64 hex digits"):
        connector.checksum(broken)
    found = connector.checksum(upper)
    assert found is not None
    assert found.sha256 == digest


def test_an_archive_that_was_written_again_or_removed_is_not_read_by_accident(
    publish: Publish, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    connector = publish({GOOD: b"before", f"{GOOD}.sha256": b"x"})
    (archive,) = discover(connector)[0]
    publish_again = publish({GOOD: b"after!"})
    with pytest.raises(ConflictError):
        connector.open(archive)
    (again,) = discover(publish_again)[0]
    with publish_again.open(again) as stream:
        assert stream.read() == b"after!"
    address = connector.find_address(archive)
    for suffix in ("", ".sha256"):
        if isinstance(address, LocalAddress):
            address.path.with_name(f"{address.path.name}{suffix}").unlink()
        else:
            s3.delete(address.bucket, f"{address.key}{suffix}")
    with pytest.raises(NotFoundError):
        connector.open(archive)
    assert connector.checksum(archive) is None


# -- folders of this machine --------------------------------------------------------------------------------------------------


def test_links_are_followed_inside_the_mirror_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "ftx", tmp_path / "outside"
    write_files(root, {GOOD: b"x"})
    write_files(outside, {"secret.csv.gz": b"secret", "2021/01/01/BTC-PERP.csv.gz": b"secret"})
    day = (root / GOOD).parent
    (day / "ETH-PERP.csv.gz").symlink_to("BTC-PERP.csv.gz")
    (day / "SOL-PERP.csv.gz").symlink_to(outside / "secret.csv.gz")
    (day / "XRP-PERP.csv.gz").symlink_to("nowhere")
    (day / "ADA-PERP.csv.gz").symlink_to("ADA-PERP.csv.gz")
    (root / "trades/2021").symlink_to(outside / "2021")
    (root / "trades/2020").symlink_to(root / "trades/2022")
    (root / "trades/loop").symlink_to(root)
    archives, oddities = discover(connect_folder(root))
    assert [archive.symbol for archive in archives] == ["BTC-PERP", "ETH-PERP"]
    assert {key.rpartition("/")[2]: reason.partition(" ")[0] for key, reason in oddities.items()} == {
        "SOL-PERP.csv.gz": "It",
        "XRP-PERP.csv.gz": "It",
        "ADA-PERP.csv.gz": "It",
        "2021": "It",
        "2020": "It",
        "loop": "It",
    }
    assert "leads out of the mirror" in oddities["trades/2021"]
    assert "not followed" in oddities["trades/2020"]


@pytest.mark.parametrize("intervals", [None, ("1m", "1d")])
def test_data_types_and_intervals_that_are_links_or_files_are_oddities_once(
    tmp_path: Path, intervals: tuple[str, ...] | None
) -> None:
    root, outside = tmp_path / "ftx", tmp_path / "outside"
    write_files(outside, {"2022/01/01/BTC-PERP.csv.gz": b"secret"})
    write_files(root, {"candles/1d": b"a file"})
    (root / "candles/1m").symlink_to(outside)
    archives, oddities = discover(connect_folder(root, "ohlcv-csv"), replace(ALL, data_types=("candles",), intervals=intervals))
    assert (archives, sorted(oddities)) == ([], ["candles/1d", "candles/1m"])
    (root / "trades").symlink_to(outside)
    (root / "quotes").write_bytes(b"a file")
    connector = connect_folder(root)
    archives, oddities = discover(connector, replace(ALL, data_types=("trades", "quotes")))
    assert (archives, sorted(oddities)) == ([], ["quotes", "trades"])
    assert "trades: It is a link" in connector.check().reason


def test_what_took_a_files_place_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "ftx"
    write_files(root, {GOOD: b"x", f"{GOOD}.sha256": b"x"})
    connector = connect_folder(root)
    (archive,) = discover(connector)[0]
    (tmp_path / "secret").write_bytes(b"x")
    for file in (root / GOOD, root / f"{GOOD}.sha256"):
        file.unlink()
    (root / GOOD).symlink_to(tmp_path / "secret")
    os.mkfifo(root / f"{GOOD}.sha256")
    with pytest.raises(ConflictError, match="is no file of the mirror any more"):
        connector.open(archive)
    with pytest.raises(ConflictError, match="is no file of the mirror any more"):
        connector.checksum(archive)


def test_a_mirror_behind_a_link_is_read(tmp_path: Path) -> None:
    write_files(tmp_path / "real", {GOOD: b"x"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(discover(connect_folder(tmp_path / "link"))[0]) == 1


def test_names_that_are_not_utf8_and_files_that_are_none_are_oddities(tmp_path: Path) -> None:
    write_files(tmp_path, {GOOD: b"x"})
    day = (tmp_path / GOOD).parent
    (day / os.fsdecode(b"\xff-USD.csv.gz")).write_bytes(b"x")
    os.mkfifo(day / "SOL-PERP.csv.gz")
    _, oddities = discover(connect_folder(tmp_path))
    assert oddities == {
        "trades/2022/01/01/SOL-PERP.csv.gz": "It is no regular file.",
        "trades/2022/01/01/\\xff-USD.csv.gz": "Its name is not UTF-8; the bytes that are not are shown as escapes.",
    }


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    connector = connect_folder(tmp_path / "nowhere")
    result = connector.check()
    assert (result.ok, "nowhere is not there" in result.reason, "archives.ftx.root" in result.reason) == (False, True, True)
    with pytest.raises(NotFoundError, match=r"nowhere.* is not there\. Check archives\.ftx\.root"):
        list(connector.discover(ALL))
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFoundError, match="is no folder"):
        list(connect_folder(tmp_path / "file").discover(ALL))


def test_a_refusal_of_the_system_is_an_access_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made up; its translation is what counts."""

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("lakehouse_sdk.archives.ftx.mirror.os.scandir", refuse)
    with pytest.raises(AccessError, match="may not be read by this user"):
        LocalMirror(LocalAddress(tmp_path)).read_folder("")


def test_a_folder_of_another_layout_is_not_taken_for_a_mirror(publish: Publish) -> None:
    result = publish({"BTC-PERP/2022-01-01.csv.gz": b"x"}).check()
    assert not result.ok
    assert "archives.ftx.layout" in result.reason


# -- servers that do not answer -----------------------------------------------------------------------------------------------


def test_nobody_at_the_endpoint_is_an_error_with_the_setting_to_check() -> None:
    profile = {"endpoint_url": "http://127.0.0.1:9", "anonymous": True}
    ftx = {"root": "lakehouse://office@ftx-mirror/x"}
    connector = FtxConnector(load_settings(profiles={"office": profile}, archives={"ftx": ftx}))
    with pytest.raises(ConnectError, match=r"archives\.ftx\.root and the profile 'office'"):
        list(connector.discover(ALL))
    assert not connector.check().ok


def test_a_refusal_of_the_server_names_root_and_profile(minio: MinioServer, s3: S3Client, bucket: str) -> None:
    s3.put_bytes(bucket, GOOD, b"x")
    profile = {"endpoint_url": minio.endpoint_url, "anonymous": True}
    connector = FtxConnector(load_settings(storage=profile, archives={"ftx": {"root": f"s3://{bucket}"}}))
    with pytest.raises(AccessError, match=r"archives\.ftx\.root and the credentials of storage"):
        list(connector.discover(ALL))


def test_discovery_can_be_left_at_any_point(publish: Publish) -> None:
    found = publish({**make_files(), "trades/2021/odd": b"x"}).discover(ALL)
    assert isinstance(next(found), Oddity)
    found.close()  # type: ignore[attr-defined]


def test_the_memory_for_a_hundred_thousand_files_is_bounded() -> None:
    """Without a disk: what is kept of each file is what counts, a checksum file beside each."""

    class Generated:
        """A mirror of 500 days with 200 symbols each; only what the walk asks for is ever made."""

        days = day_range(date(2021, 1, 1), date(2022, 5, 15))

        def read_folder(self, folder: str) -> Folder:
            parts = folder.rstrip("/").split("/")[1:]
            if len(parts) < 3:
                below = {
                    f"{day:%Y/%m/%d}".split("/")[len(parts)]
                    for day in self.days
                    if f"{day:%Y/%m/%d}".startswith("/".join(parts))
                }
                return Folder(folders=[f"{folder}{name}/" for name in sorted(below)])
            files = [
                ObjectInfo(
                    f"{folder}S{n:03}-PERP.csv.gz{suffix}", 10**6 + n, f"{n:032x}", datetime(2023, 1, 1, n % 24, tzinfo=UTC)
                )
                for n in range(200)
                for suffix in ("", ".sha256")
            ]
            return Folder(files=files)

    walk = Walk(cast("Mirror", Generated()), "tardis", ALL, [d for d in DATASETS["tardis"] if d.data_type == "trades"])
    tracemalloc.start()
    try:
        found = walk.run()
        next(found)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100 * 1024**2
    assert sum(1 for _ in found) == 200 * len(Generated.days) - 1
