"""Declarations for files of well-known makers; `lake.ingest(…, schema="kraken")`."""

from __future__ import annotations

from typing import Any

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.judge.declared.schema import TableSchema

_OHLC = {"open": "float", "high": "float", "low": "float", "close": "float"}
_PRESETS: dict[str, dict[str, Any]] = {
    "freqtrade": {
        "columns": {"time": "time", **_OHLC, "volume": "float"},
        "rename": {"date": "time"},
        "doc": "Candles as freqtrade keeps them: .json with an array of rows, .json.gz, .feather or .parquet.",
    },
    "cryptodatadownload": {
        "columns": {
            "time": "time",
            "symbol": "text",
            **_OHLC,
            "volume": "float?",
            "quote_volume": "float?",
            "trades": "int?",
        },
        "rename": {
            "unix": "time",
            "unix timestamp": "time",
            "tradecount": "trades",
            "trade count": "trades",
            **{f"volume {quote}": "quote_volume" for quote in ("usd*", "eur", "gbp", "busd", "tusd", "fdusd", "btc.d")},
            "volume *": "volume",
        },
        "ignore": ("date", "buytakeramount", "buytakerquantity", "weightedaverage", "marketorder*", "max*", "*"),
        "skip": 1,
        "doc": "Candles of CryptoDataDownload: a line with their address stands before the header.",
    },
    "kraken": {
        "columns": {"time": "time", **_OHLC, "volume": "float", "trades": "int"},
        "header": False,
        "doc": "OHLCVT files of Kraken, XBTUSD_60.csv: no header, times in seconds.",
    },
    "kraken-trades": {
        "columns": {"time": "time", "price": "float", "volume": "float"},
        "key": ("time", "price", "volume"),
        "header": False,
        "doc": "Trades of Kraken, XBTUSD.csv: no header, times in seconds.",
    },
    "lean-minute": {
        "columns": {"time": "time", **_OHLC, "volume": "float"},
        "header": False,
        "units": {"time": "ms_of_day"},
        "doc": "Minute and second bars of Lean, 20240131_trade.zip: milliseconds since the midnight of the day in the name.",
    },
    "lean-daily": {
        "columns": {"time": "time", **_OHLC, "volume": "float"},
        "header": False,
        "units": {"time": "%Y%m%d %H:%M"},
        "doc": "Hourly and daily bars of Lean, btcusdt_trade.zip.",
    },
    "backtesting": {
        "columns": {"time": "time", **_OHLC, "volume": "float?"},
        "rename": {"": "time", "date": "time", "datetime": "time", "timestamp": "time"},
        "units": {"time": "iso"},
        "ignore": ("adj close", "dividends", "stock splits", "openinterest", "open interest"),
        "doc": "Frames for backtesting.py, backtrader and others, as to_csv writes them: the index is the time.",
    },
}
PRESETS = tuple(_PRESETS)
"""Names of the declarations."""


def get_preset(name: str) -> TableSchema:
    """The declaration for the files of a maker.

    Raises:
        UsageError: There is none of this name; names those there are.
    """
    if name not in _PRESETS:
        raise UsageError(f"There is no schema {name!r}.", hint=f"Choose one of {', '.join(PRESETS)}, or declare your own.")
    return TableSchema.from_dict({"time": "time", "key": ("time",), **_PRESETS[name]})
