"""Archives for the tests of `tables`, made line by line so that a test says exactly what is published."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from lakehouse_sdk.tables import CheckedBatch, SourceFile, parse_archive, validate

DAY = datetime(2024, 3, 1, tzinfo=UTC)
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
AGG_TRADE_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def epoch_ms(instant: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(instant.timestamp() * 1000)


def kline(minute: int, day: datetime = DAY, *, us: bool = False, **fields: object) -> str:
    """A good bar of one minute; `fields` replace values by name."""
    start = epoch_ms(day) + minute * 60_000
    values: dict[str, object] = {
        "open_time": start * 1000 if us else start,
        "open": "10.5",
        "high": "12.25",
        "low": "9.75",
        "close": f"{10 + minute % 2}.00",
        "volume": "4.5",
        "close_time": start * 1000 + 59_999_999 if us else start + 59_999,
        "quote_volume": "47.25",
        "count": 3,
        "taker_buy_volume": "1.5",
        "taker_buy_quote_volume": "15.75",
        "ignore": 0,
    }
    return ",".join(str(value) for value in (values | fields).values())


def agg_trade(number: int, day: datetime = DAY, *, spot: bool = False, **fields: object) -> str:
    """A good aggregate trade, one each second; `fields` replace values by name."""
    values: dict[str, object] = {
        "agg_trade_id": number,
        "price": "100.25",
        "quantity": "0.5",
        "first_trade_id": 2 * number,
        "last_trade_id": 2 * number + 1,
        "transact_time": epoch_ms(day) + number * 1000,
        "is_buyer_maker": ["False", "True"][number % 2] if spot else ["false", "true"][number % 2],
    }
    if spot:
        values["is_best_match"] = "True"
    return ",".join(str(value) for value in (values | fields).values())


def csv_of(lines: Iterable[str], newline: str = "\n") -> bytes:
    """Lines, each ended."""
    return "".join(f"{line}{newline}" for line in lines).encode()


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these members; the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def kline_file(
    data: bytes,
    symbol: str = "BTCUSDT",
    day: datetime = DAY,
    *,
    market: str = "spot",
    interval: str = "1m",
    days: int = 1,
    instrument: str | None = None,
) -> SourceFile:
    """The daily (or longer) klines archive that `data` is said to be."""
    name = f"{symbol}-{interval}-{day:%Y-%m-%d}"
    key = f"data/{market}/daily/klines/{symbol}/{interval}/{name}.zip"
    sha256 = hashlib.sha256(data).hexdigest()
    end = day + timedelta(days=days)
    return SourceFile("binance", market, "klines", symbol, interval, day, end, key, sha256, instrument)


def agg_trade_file(data: bytes, symbol: str = "BTCUSDT", day: datetime = DAY, *, market: str = "um") -> SourceFile:
    """The daily aggTrades archive that `data` is said to be."""
    key = f"data/{market}/daily/aggTrades/{symbol}/{symbol}-aggTrades-{day:%Y-%m-%d}.zip"
    sha256 = hashlib.sha256(data).hexdigest()
    return SourceFile("binance", market, "aggTrades", symbol, None, day, day + timedelta(days=1), key, sha256)


def klines_archive(
    lines: Iterable[str] | bytes,
    symbol: str = "BTCUSDT",
    day: datetime = DAY,
    *,
    market: str = "spot",
    interval: str = "1m",
    instrument: str | None = None,
) -> tuple[bytes, SourceFile]:
    """A klines archive with these lines, and what it is."""
    csv = lines if isinstance(lines, bytes) else csv_of(lines)
    data = zip_of((f"{symbol}-{interval}-{day:%Y-%m-%d}.csv", csv))
    return data, kline_file(data, symbol, day, market=market, interval=interval, instrument=instrument)


def agg_trades_archive(
    lines: Iterable[str] | bytes, symbol: str = "BTCUSDT", day: datetime = DAY, *, market: str = "um"
) -> tuple[bytes, SourceFile]:
    """An aggTrades archive with these lines, and what it is."""
    csv = lines if isinstance(lines, bytes) else csv_of(lines)
    data = zip_of((f"{symbol}-aggTrades-{day:%Y-%m-%d}.csv", csv))
    return data, agg_trade_file(data, symbol, day, market=market)


def check_klines(lines: Iterable[str] | bytes, **where: object) -> CheckedBatch:
    """Parse and validate a klines archive with these lines."""
    return validate(parse_archive(*klines_archive(lines, **where)))  # type: ignore[arg-type]


def check_agg_trades(lines: Iterable[str] | bytes, **where: object) -> CheckedBatch:
    """Parse and validate an aggTrades archive with these lines."""
    return validate(parse_archive(*agg_trades_archive(lines, **where)))  # type: ignore[arg-type]
