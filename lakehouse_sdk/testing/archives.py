"""Publishes archives of any type that the exchange has, from small texts: thousands in seconds, for what needs many."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing.samples.derivatives import OPTIONS

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
    """A small CSV in the shape that the exchange publishes for a type; made-up numbers, a row a minute from the period's start.

    Raises:
        KeyError: The exchange has no such type.
    """
    start = datetime.fromisoformat(period if len(period) > len("2024-12") else f"{period}-01").replace(tzinfo=UTC)
    header, make = _SHAPES[data_type]
    from_2025 = market == "spot" and start.year >= 2025
    lines = [
        make(_Row(number, round(start.timestamp()) * 1000 + number * 60_000, market, symbol, from_2025))
        for number in range(rows)
    ]
    if data_type == "trades" and market == "cm":  # contracts are counted, and what they are worth in coins
        header = header.replace("quote_qty", "base_qty")
    if header and market != "spot":
        lines.insert(0, header)
    return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    ms: int
    market: str
    symbol: str
    micros: bool

    def at(self, later_ms: int = 0) -> int:
        """The row's time as the file writes it: spot counts microseconds from 2025 on."""
        return (self.ms + later_ms) * 1000 if self.micros else self.ms + later_ms

    @property
    def text(self) -> str:
        return datetime.fromtimestamp(self.ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _bar(row: _Row) -> str:
    end = row.at(60_000) - 1
    return f"{row.at()},10.5,12.25,9.75,{10 + row.number % 2}.00,4.5,{end},47.25,3,1.5,15.75,0"


def _level_bar(row: _Row) -> str:
    return f"{row.at()},-0.0010,0.0005,-0.0015,0.0001,0,{row.at(59_999)},0,60,0,0,0"


def _agg_trade(row: _Row) -> str:
    number, maker = row.number, "true" if row.number % 2 else "false"
    fields = f"{number},100.25,0.5,{2 * number},{2 * number + 1},{row.at()}"
    return f"{fields},{maker.title()},True" if row.market == "spot" else f"{fields},{maker}"


def _trade(row: _Row) -> str:
    fields = f"{row.number},100.25,0.5,50.125,{row.at()}"
    return f"{fields},False,True" if row.market == "spot" else f"{fields},false"


def _book_ticker(row: _Row) -> str:
    return f"{row.number},100.00,6.5,100.25,4.75,{row.ms},{row.ms + 5}"


def _book_depth(row: _Row) -> str:
    return f"{row.text},-5.00,800.5,53365.25"


def _metrics(row: _Row) -> str:
    return f"{row.text},{row.symbol},1893.5,470658.25,,3.25,,1.125"


def _funding(row: _Row) -> str:
    return f"{row.ms},8,{'-' if row.number % 2 else ''}0.00010000"


def _liquidation(row: _Row) -> str:
    return f"{row.ms},SELL,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7"


def _volatility(row: _Row) -> str:
    return f"{row.ms},{row.symbol},{row.symbol.removesuffix('USDT')},USDT,54.06"


def _option_hour(row: _Row) -> str:
    numbers = OPTIONS.count(",") - 5  # all cells after the strike; empty ones occur, and here all are
    return f"{row.text[:10]},{row.number},BTC-231027-33000-C,{row.symbol},C,231027-33000{',' * numbers}"


_BARS = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
_METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
_LIQUIDATIONS = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity"
)
_BOOK = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
_SHAPES: dict[str, tuple[str, Callable[[_Row], str]]] = {
    "klines": (_BARS, _bar),
    "markPriceKlines": (_BARS, _level_bar),
    "indexPriceKlines": (_BARS, _level_bar),
    "premiumIndexKlines": (_BARS, _level_bar),
    "aggTrades": ("agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker", _agg_trade),
    "trades": ("id,price,qty,quote_qty,time,is_buyer_maker", _trade),
    "bookTicker": (_BOOK, _book_ticker),
    "bookDepth": ("timestamp,percentage,depth,notional", _book_depth),
    "metrics": (_METRICS, _metrics),
    "fundingRate": ("calc_time,funding_interval_hours,last_funding_rate", _funding),
    "liquidationSnapshot": (_LIQUIDATIONS, _liquidation),
    "BVOLIndex": ("calc_time,symbol,base_asset,quote_asset,index_value", _volatility),
    "EOHSummary": (OPTIONS, _option_hour),
}
"""Data type → header, which spot has none of, and row."""
