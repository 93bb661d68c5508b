"""Generated rows as the exchange writes them: column order, decimals, time unit, letter case, header."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lakehouse_sdk.testing.market import AggTrades, Bars, Bools, Instrument, Ints

KLINES = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
UM_AGG_TRADES = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"

_SPOT_DECIMALS = 8
_SPOT_MICROSECONDS_FROM = date(2025, 1, 1)
_UM_HEADERS_FROM = {"daily": date(2022, 8, 11), "monthly": date(2022, 1, 1)}


@dataclass(frozen=True, slots=True)
class Rows:
    """Data rows as bytes, without header.

    Attributes:
        text: Lines that end in a line feed.
        ends: Offset behind each line.
        amounts: Volume or quantity of each row, in units of `10 ** -amount_decimals`.
        amount_decimals: As said.
    """

    text: bytes
    ends: Ints
    amounts: Ints
    amount_decimals: int

    def cut(self, first: int, last: int) -> Rows:
        """Rows `first` up to, not including, `last`."""
        start = int(self.ends[first - 1]) if first else 0
        stop = int(self.ends[last - 1]) if last else 0
        return Rows(self.text[start:stop], self.ends[first:last] - start, self.amounts[first:last], self.amount_decimals)


def find_header(market: str, data_type: str, frequency: str, first_day: date) -> str | None:
    """The header line of a file, or None: spot never has one, um since some day that differs by kind of file."""
    if market == "spot" or first_day < _UM_HEADERS_FROM[frequency]:
        return None
    return KLINES if data_type == "klines" else UM_AGG_TRADES


def format_bars(instrument: Instrument, days: Sequence[Bars], interval_s: int, first_day: date) -> Rows:
    """Klines of some days, one time unit for all; `first_day` decides which."""
    column = _joined(days)
    price, steps = instrument.price_decimals, instrument.quantity_decimals
    per_unit = _us_per_unit(instrument.market, first_day)
    open_time = column("open_time_us")
    return _write(
        column("volume"),
        steps,
        [
            open_time // per_unit,
            *(_decimals(instrument, column(name), price) for name in ("open", "high", "low", "close")),
            _decimals(instrument, column("volume"), steps),
            (open_time + interval_s * 1_000_000) // per_unit - 1,
            _decimals(instrument, column("quote_volume"), price + steps),
            column("count"),
            _decimals(instrument, column("taker_buy_volume"), steps),
            _decimals(instrument, column("taker_buy_quote_volume"), price + steps),
            np.zeros_like(open_time),
        ],
    )


def format_agg_trades(instrument: Instrument, days: Sequence[AggTrades], first_day: date) -> Rows:
    """AggTrades of some days, one time unit for all; `first_day` decides which."""
    column = _joined(days)
    spot = instrument.market == "spot"
    cells = [
        column("id"),
        _decimals(instrument, column("price"), instrument.price_decimals),
        _decimals(instrument, column("quantity"), instrument.quantity_decimals),
        column("first_id"),
        column("last_id"),
        column("time_us") // _us_per_unit(instrument.market, first_day),
        _truth(np.concatenate([day.is_buyer_maker for day in days]), ("True", "False") if spot else ("true", "false")),
    ]
    if spot:
        cells.append(_truth(np.ones(len(cells[0]), dtype=np.bool_), ("True", "False")))  # is_best_match
    return _write(column("quantity"), instrument.quantity_decimals, cells)


def _us_per_unit(market: str, first_day: date) -> int:
    return 1 if market == "spot" and first_day >= _SPOT_MICROSECONDS_FROM else 1000


def _joined(days: Sequence[AggTrades] | Sequence[Bars]) -> Callable[[str], Ints]:
    return lambda name: np.concatenate([getattr(day, name) for day in days])


def _decimals(instrument: Instrument, units: Ints, decimals: int) -> pa.Array:
    """Text of `units * 10 ** -decimals`: eight decimals on spot, no needless ones on um.

    By hand from two integers, because Arrow's own decimals turn small ones into scientific notation.
    """
    if instrument.market == "spot":
        units, decimals = units * 10 ** (_SPOT_DECIMALS - decimals), _SPOT_DECIMALS
    if not decimals:
        return pa.array(units).cast(pa.string())
    whole, fraction = np.divmod(units, 10**decimals)
    digits = pc.utf8_slice_codeunits(pa.array(fraction + 10**decimals).cast(pa.string()), 1)  # with leading zeros
    text = pc.binary_join_element_wise(pa.array(whole).cast(pa.string()), digits, ".")
    return text if instrument.market == "spot" else pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")


def _truth(values: Bools, words: tuple[str, str]) -> pa.Array:
    return pc.if_else(pa.array(values), *words)


def _write(amounts: Ints, decimals: int, columns: list[Ints | pa.Array]) -> Rows:
    table = pa.table([pa.array(column) for column in columns], names=[str(number) for number in range(len(columns))])
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"))
    text = sink.getvalue()
    return Rows(text, np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1, amounts, decimals)
