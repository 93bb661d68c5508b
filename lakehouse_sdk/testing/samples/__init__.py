"""Files of every data type with made-up numbers, line by line, and what must be read from each line.

Belongs here: the shape that each publisher gives its files. Must not: anything of `lakehouse_sdk.tables`, whose test this is;
real market data. Read `make_sample` first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.testing.samples import bars, derivatives, trades
from lakehouse_sdk.testing.samples.model import Row, Rows, Sample

__all__ = ["SAMPLE_TYPES", "Row", "Sample", "SampleType", "make_sample"]


@dataclass(frozen=True, slots=True)
class SampleType:
    """One kind of file.

    Attributes:
        source: Publisher.
        market: Market.
        data_type: Type as the publisher spells it.
        header: Column names; None for JSON lines.
        make: Gives the rows of a period.
        is_headed: True where the publisher writes the header.
        symbol: Symbol of the samples.
        suffix: What the key ends with.
        days: Length of the period.
    """

    source: str
    market: str
    data_type: str
    header: str | None
    make: Callable[[Random, datetime], Rows]
    is_headed: bool = True
    symbol: str = "BTCUSDT"
    suffix: str = ".zip"
    days: int = 1

    @property
    def id(self) -> str:
        """A name for reports of tests."""
        return f"{self.source}-{self.market}-{self.data_type}{self.suffix}"

    @property
    def interval(self) -> str | None:
        """Bar length; None where the type has none."""
        return "1m" if self.data_type.lower().endswith(("klines", "candles")) else None


_RATE = Decimal("0.000001")
_PERP = "BTC-PERP"
_FUTURES = ("um", "cm")

SAMPLE_TYPES: tuple[SampleType, ...] = (
    SampleType("binance", "spot", "klines", bars.KLINES, bars.make_klines("spot"), is_headed=False),
    SampleType("binance", "spot", "aggTrades", trades.SPOT_AGG_TRADES, trades.make_agg_trades("spot"), is_headed=False),
    SampleType("binance", "spot", "trades", trades.SPOT_TRADES, trades.make_trades("spot"), is_headed=False),
    SampleType("binance", "um", "trades", trades.TRADES, trades.make_trades("um")),
    SampleType("binance", "cm", "trades", trades.CM_TRADES, trades.make_trades("cm")),
    *(
        SampleType("binance", market, data_type, header, make, days=days)
        for market in _FUTURES
        for data_type, header, make, days in (
            ("klines", bars.KLINES, bars.make_klines(market), 1),
            ("markPriceKlines", bars.KLINES, bars.make_computed(Decimal(1)), 1),
            ("indexPriceKlines", bars.KLINES, bars.make_computed(Decimal(1)), 1),
            ("premiumIndexKlines", bars.KLINES, bars.make_computed(_RATE), 1),
            ("aggTrades", trades.AGG_TRADES, trades.make_agg_trades(market), 1),
            ("bookTicker", trades.BOOK_TICKER, trades.make_book_ticker, 1),
            ("bookDepth", trades.BOOK_DEPTH, trades.make_book_depth, 1),
            ("metrics", derivatives.METRICS, derivatives.make_metrics, 1),
            ("fundingRate", derivatives.FUNDING, derivatives.make_funding, 31),
            ("liquidationSnapshot", derivatives.LIQUIDATIONS, derivatives.make_liquidations, 1),
        )
    ),
    SampleType("binance", "option", "BVOLIndex", derivatives.BVOL, derivatives.make_bvol, symbol="BTCBVOLUSDT"),
    SampleType("binance", "option", "EOHSummary", derivatives.OPTIONS, derivatives.make_options),
    *(
        SampleType("coinbase", "spot", data_type, header, make, symbol="BTC-USD", suffix=".csv.gz")
        for data_type, header, make in (
            ("candles", bars.COINBASE_CANDLES, bars.make_coinbase_candles),
            ("trades", trades.COINBASE_TRADES, trades.make_coinbase_trades),
        )
    ),
    *(
        SampleType("ftx", "perp", data_type, header, make, symbol=_PERP, suffix=".json.gz" if header is None else ".csv.gz")
        for data_type, header, make in (
            ("trades", trades.TARDIS_TRADES, trades.make_tardis_trades),
            ("candles", bars.FTX_CANDLES, bars.make_ftx_candles),
            ("trades", None, trades.make_ftx_native_trades),
            ("candles", None, bars.make_ftx_native_candles),
            ("funding", None, derivatives.make_ftx_funding),
        )
    ),
)
"""Every kind of file that the SDK can put into a table."""


def make_sample(type_: SampleType, rows: int = 50, *, seed: int = 0, start: datetime | None = None) -> Sample:
    """A file of this kind; equal arguments give equal files.

    Args:
        type_: One of `SAMPLE_TYPES`.
        rows: At most so many; kinds with a fixed grid may have fewer in their period.
        seed: Changes all numbers.
        start: First instant of the period, a midnight in UTC; default: 2024-03-01.

    Raises:
        UsageError: `start` is no midnight in UTC.
    """
    begin = datetime(2024, 3, 1, tzinfo=UTC) if start is None else start
    if begin.tzinfo is None or begin.timestamp() % 86_400:
        raise UsageError(f"The period cannot begin at {begin}.", hint="Give a midnight in UTC.")
    random = Random(f"{type_.id}:{seed}:{begin.isoformat()}")  # noqa: S311 (numbers that look like a market's)
    made = tuple(islice(type_.make(random, begin), rows))
    return Sample(
        type_.source,
        type_.market,
        type_.data_type,
        type_.symbol,
        type_.interval,
        begin,
        begin + timedelta(days=type_.days),
        type_.suffix,
        type_.header,
        type_.is_headed,
        made,
    )
