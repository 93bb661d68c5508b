"""FTX keys, read and written: what is right, and every way to be wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Oddity
from lakehouse_sdk.archives.ftx import DATASETS, ArchiveKey, FtxConnector, Layout, find_market, format_key, parse_key
from lakehouse_sdk.archives.ftx.layout import is_unusual, parse_day
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.uris import LocalAddress, S3Address


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("BTC-USD", "spot"),
        ("1INCH-USD", "spot"),
        ("ETH-BTC", "spot"),
        ("BTC-PERP", "perp"),
        ("BTC-0325", "future"),
        ("BTC-20191227", "future"),
        ("BTC-HASH-2020Q4", "future"),
        ("TRUMP2024", "future"),
        ("BTC-MOVE-0605", "move"),
        ("BTC-MOVE-WK-0605", "move"),
        ("BTC-MOVE-2020Q1", "move"),
        ("TRUMP", "future"),
        ("PERPETUALS", None),
        ("btc", None),
        ("BTC/USD", None),
        ("btc-usd", None),
        ("BTC-USD-", None),
        ("币安-USD", None),
        ("BTC-٠٣٢٥", None),
        ("", None),
    ],
)
def test_the_form_of_a_symbol_says_its_market(symbol: str, market: str | None) -> None:
    assert find_market(symbol) == market


@pytest.mark.parametrize(
    ("layout", "key", "expected"),
    [
        ("tardis", "trades/2019/08/01/BTC-PERP.csv.gz", ArchiveKey("trades", None, "BTC-PERP", date(2019, 8, 1))),
        (
            "tardis",
            "incremental_book_L2/2022/11/13/BTC-USD.csv.gz",
            ArchiveKey("incremental_book_L2", None, "BTC-USD", date(2022, 11, 13)),
        ),
        ("native-json", "funding/2020/02/29/BTC-PERP.json.gz", ArchiveKey("funding", None, "BTC-PERP", date(2020, 2, 29))),
        ("native-json", "candles/15s/2022/01/01/A-USD.json.gz", ArchiveKey("candles", "15s", "A-USD", date(2022, 1, 1))),
        ("ohlcv-csv", "candles/1d/2022/01/01/A-USD.csv.gz", ArchiveKey("candles", "1d", "A-USD", date(2022, 1, 1))),
    ],
)
def test_keys_of_the_three_layouts(layout: Layout, key: str, expected: ArchiveKey) -> None:
    assert parse_key(key, layout) == expected
    assert format_key(expected, layout) == key


DAY = "2022/03/01"


@pytest.mark.parametrize(
    ("layout", "key", "reason"),
    [
        ("tardis", "", "no data type ''"),
        ("tardis", "README", "no data type ''"),
        ("tardis", f"candles/1m/{DAY}/BTC-USD.csv.gz", "layout tardis has no data type 'candles'"),
        ("tardis", f"funding/{DAY}/BTC-PERP.csv.gz", "no data type 'funding'"),
        ("tardis", f"/trades/{DAY}/BTC-USD.csv.gz", "no data type ''"),
        ("tardis", "trades/2022/3/1/BTC-USD.csv.gz", "'2022/3/1' is no day YYYY/MM/DD"),
        ("tardis", "trades/2022/02/30/BTC-USD.csv.gz", "is no day"),
        ("tardis", "trades/2022/13/01/BTC-USD.csv.gz", "is no day"),
        ("tardis", "trades/0000/01/01/BTC-USD.csv.gz", "is no day"),
        ("tardis", "trades/٢٠٢٢/03/01/BTC-USD.csv.gz", "is no day"),
        ("tardis", "trades/2022-03-01/BTC-USD.csv.gz", "does not lie in a folder YYYY/MM/DD of trades/"),
        ("tardis", f"trades/{DAY}/old/BTC-USD.csv.gz", "does not lie in a folder"),
        ("tardis", "trades/BTC-USD.csv.gz", "does not lie in a folder"),
        ("tardis", "trades/2022/11/14/BTC-USD.csv.gz", "2022-11-14 is not one of 2019-05-01 to 2022-11-13"),
        ("tardis", "trades/2019/04/30/BTC-USD.csv.gz", "2019-04-30 is not one of"),
        ("tardis", f"trades/{DAY}/BTC-USD.json.gz", r"does not end with \.csv\.gz"),
        ("tardis", f"trades/{DAY}/BTC-USD.csv", r"does not end with \.csv\.gz"),
        ("tardis", f"trades/{DAY}/BTC-USD.csv.gz.tmp", "not finished writing"),
        ("tardis", f"trades/{DAY}/BTC-USD.csv.gz.unconfirmed", "not finished writing"),
        ("tardis", f"trades/{DAY}/.BTC-USD.csv.gz", "hidden"),
        ("tardis", f"trades/{DAY}/", "does not end with"),
        ("tardis", f"trades/{DAY}/.csv.gz", "hidden"),
        ("tardis", f"trades/{DAY}/BTC-USD..csv.gz", r"'BTC-USD\.' is no symbol"),
        ("tardis", f"trades/{DAY}/PERPETUALS.csv.gz", "'PERPETUALS' is no symbol"),
        ("tardis", f"trades/{DAY}/ビットコイン-USD.csv.gz", "is no symbol"),
        ("tardis", f"trades/{DAY}/BTC-USD.csv.gz.sha256", "checksum file"),
        ("tardis", f"liquidations/{DAY}/BTC-USD.csv.gz", "market spot, which has no liquidations"),
        ("native-json", f"funding/{DAY}/BTC-0325.json.gz", "market future, which has no funding"),
        ("native-json", f"trades/{DAY}/BTC-USD.csv.gz", r"does not end with \.json\.gz"),
        ("ohlcv-csv", f"candles/{DAY}/BTC-USD.csv.gz", "no interval '2022'"),
        ("ohlcv-csv", f"candles/1mo/{DAY}/BTC-USD.csv.gz", "no interval '1mo'"),
        ("ohlcv-csv", "candles/BTC-USD.csv.gz", "no interval ''"),
        ("ohlcv-csv", f"trades/{DAY}/BTC-USD.csv.gz", "no data type 'trades'"),
    ],
)
def test_what_fits_no_layout_is_an_oddity_with_its_reason(layout: Layout, key: str, reason: str) -> None:
    parsed = parse_key(key, layout)
    assert isinstance(parsed, Oddity)
    assert parsed.key == key
    assert re.search(reason, parsed.reason), parsed.reason


@pytest.mark.parametrize(
    ("parts", "days"),
    [
        (("2022",), (date(2022, 1, 1), date(2022, 12, 31))),
        (("2020", "02"), (date(2020, 2, 1), date(2020, 2, 29))),
        (("2022", "12"), (date(2022, 12, 1), date(2022, 12, 31))),
        (("2022", "12", "31"), (date(2022, 12, 31), date(2022, 12, 31))),
        (("9999", "12"), (date(9999, 12, 1), date(9999, 12, 31))),
        (("2022", "13"), None),
        (("2022", "1"), None),
        ((), None),
        (("2022", "01", "01", "01"), None),
    ],
)
def test_folders_of_years_months_and_days(parts: tuple[str, ...], days: tuple[date, date] | None) -> None:
    assert parse_day(parts) == days


def test_periods_are_half_open_days() -> None:
    key = ArchiveKey("trades", None, "BTC-PERP", date(2019, 12, 31))
    assert (key.period_start, key.period_end) == (datetime(2019, 12, 31, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))


# -- what the connector says without a mirror, and of the settings ------------------------------------------------------------


def connect(**options: object) -> FtxConnector:
    return FtxConnector(load_settings(storage={"anonymous": True}, archives={"ftx": options}))


TRADES = ArchiveQuery(("perp",), ("trades",))


def test_without_a_mirror_every_question_is_answered_with_what_to_do() -> None:
    connector = connect()
    result = connector.check()
    assert not result.ok
    assert result.reason.startswith("FTX closed in November 2022, and no public bucket of its archives exists.")
    assert result.reason.endswith("Name a mirror of your own in archives.ftx.root.")
    with pytest.raises(ConfigurationError, match=r"FTX closed in November 2022.*archives\.ftx\.root"):
        connector.discover(TRADES)
    assert connector.capabilities().terms_url == ""


@pytest.mark.parametrize("layout", ["tardis", "native-json", "ohlcv-csv"])
def test_capabilities_are_those_of_the_layout_and_say_that_nothing_new_will_come(layout: Layout) -> None:
    capabilities = connect(layout=layout, root="s3://ftx-mirror/x").capabilities()
    assert capabilities.frozen
    assert capabilities.datasets == DATASETS[layout]
    assert {(d.first_day, d.last_day, d.frequencies) for d in capabilities.datasets} == {
        (date(2019, 8, 1), date(2022, 11, 13), ("daily",))
    }
    assert (capabilities.transport, capabilities.terms_url) == ("s3", "lakehouse://ftx-mirror/x")
    assert {bool(d.intervals) for d in capabilities.datasets if d.data_type == "candles"} <= {True}


def test_a_folder_is_read_as_files(tmp_path: Path) -> None:
    connector = connect(root=str(tmp_path))
    assert connector.capabilities().transport == "files"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "http://example.com/ftx"}, r"archives\.ftx\.root: .*unknown scheme"),
        ({"root": "s3://"}, r"archives\.ftx\.root: .*names no valid bucket"),
        ({"root": ""}, r"archives\.ftx\.root: The address is empty"),
        ({"root": "lakehouse://nobody@ftx/x"}, "no profile 'nobody'"),
        ({"root": "s3://ftx/x", "layout": "csv"}, r"archives\.ftx\.layout"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        connect(**options)


@pytest.mark.parametrize(
    "query",
    [
        ArchiveQuery(("um",), ("trades",)),
        ArchiveQuery(("spot",), ("klines",)),
        ArchiveQuery(("spot",), ("candles",)),
        ArchiveQuery(("spot",), ("liquidations",)),
    ],
)
def test_what_the_layout_does_not_have_is_refused_even_without_a_mirror(query: ArchiveQuery) -> None:
    with pytest.raises(UsageError, match="has no"):
        connect().discover(query)


def test_transfer_is_told_where_an_archive_lies(make_archive: Callable[..., ArchiveObject]) -> None:
    found = make_archive("2022-01-01")
    settings = load_settings(
        profiles={"office": {"anonymous": True}}, archives={"ftx": {"root": "lakehouse://office@ftx/a/b/"}}
    )
    address = FtxConnector(settings).find_address(found)
    assert address == S3Address("ftx", f"a/b/{found.key}", profile="office")
    assert isinstance(connect(root="/somewhere").find_address(found), LocalAddress)


def test_what_a_mirror_alone_knows_is_an_archive_and_said_to_be_unusual() -> None:
    for key in ("trades/2019/07/31/BTC-PERP.csv.gz", "trades/2020/11/03/TRUMP.csv.gz"):
        found = parse_key(key, "tardis")
        assert isinstance(found, ArchiveKey)
        assert is_unusual(found.symbol, found.day)
    usual = parse_key("trades/2020/11/03/TRUMP2024.csv.gz", "tardis")
    assert isinstance(usual, ArchiveKey)
    assert not is_unusual(usual.symbol, usual.day)
