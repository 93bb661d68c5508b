"""What the tables add to a published row: constants of the archive, the taker's side, the notional, the lineage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse_sdk.tables.judge.parse import LINE
from lakehouse_sdk.tables.layout.bar_lengths import INTERVALS
from lakehouse_sdk.tables.layout.decimals import PREFIX, exact_types
from lakehouse_sdk.tables.layout.formats import AGG_TRADES, KLINES, TRADES, FormatSpec
from lakehouse_sdk.tables.layout.schemas import INSTRUMENT
from lakehouse_sdk.tables.layout.source import SourceFile

SIDES = ("buy", "sell")

_Columns = dict[str, pa.Array | pa.ChunkedArray]


def enrich(rows: pl.DataFrame, spec: FormatSpec, archives: Sequence[tuple[SourceFile, int]]) -> pa.Table:
    """The rows as the target table holds them, but for `_ingested_at`.

    Text columns are dictionary arrays: within an archive nearly all of them repeat one value.

    Args:
        rows: Good rows.
        spec: Their format.
        archives: Which archives they are from and how many of each, in order; all of one interval, and all with an
            `instrument` or none.
    """
    file = archives[0][0]
    counts = [count for _, count in archives]

    def repeat(name: str) -> pa.DictionaryArray:
        return _repeat([getattr(file, name) for file, _ in archives], counts)

    table = rows.drop(
        LINE, *(column.name for column in spec.columns if not column.is_stored and column.name in rows)
    ).to_arrow()
    columns: _Columns = {
        "source": repeat("source"),
        "market": repeat("market"),
        "symbol": repeat("symbol"),
    }
    if file.interval is not None:
        columns["interval"] = repeat("interval")
    columns |= {field.name: _as_stored(table[field.name], field.type) for field in table.schema}
    columns |= {name: columns.pop(f"{PREFIX}{name}") for name in exact_types(spec)}
    columns |= {name: pa.repeat(pa.scalar(value, pa.int64()), rows.height) for name, value in spec.constants}
    if file.instrument is not None:
        columns[INSTRUMENT] = repeat("instrument")
    derive = _DERIVED.get(spec.table)
    if derive is not None:
        columns |= derive(rows, file)
    columns["_source_key"] = repeat("key")
    columns["_source_sha256"] = repeat("sha256")
    return pa.table(columns)


def _repeat(values: Sequence[str], counts: Sequence[int]) -> pa.DictionaryArray:
    """Each value as often as it is counted; each is once in the dictionary."""
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    indices = np.repeat(np.fromiter((places[value] for value in values), np.int32, len(values)), counts)
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(list(places), pa.string()))


def _as_stored(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    is_text = pa.types.is_large_string(type_) or pa.types.is_string_view(type_) or pa.types.is_string(type_)
    return column.cast(pa.string()).dictionary_encode() if is_text else column


def _derive_trades(rows: pl.DataFrame, _file: SourceFile) -> _Columns:
    columns: _Columns = {}
    if "is_buyer_maker" in rows:
        # The buyer was the maker: so the taker, who decides the side of a trade, sold.
        side = rows["is_buyer_maker"].cast(pl.Int32).to_arrow()
        columns["side"] = pa.DictionaryArray.from_arrays(side, pa.array(SIDES, pa.string()))
    if "quantity" in rows:
        columns["notional"] = (rows["price"] * rows["quantity"]).to_arrow()
    return columns


def _derive_bars(rows: pl.DataFrame, file: SourceFile) -> _Columns:
    if "close_time" in rows:
        return {}
    length = INTERVALS.get(file.interval or "", timedelta(milliseconds=1))
    return {"close_time": (rows["open_time"] + (length - timedelta(milliseconds=1))).to_arrow()}


_DERIVED: dict[str, Callable[[pl.DataFrame, SourceFile], _Columns]] = {
    AGG_TRADES: _derive_trades,
    KLINES: _derive_bars,
    TRADES: _derive_trades,
}
