"""What the tables add to a published row: constants of the archive, the taker's side, the notional, the lineage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pyarrow as pa

from lakehouse_sdk.tables.decimals import PREFIX, exact_types
from lakehouse_sdk.tables.formats import AGG_TRADES, KLINES, TRADES, FormatSpec
from lakehouse_sdk.tables.parse import LINE
from lakehouse_sdk.tables.rules import INTERVALS
from lakehouse_sdk.tables.schemas import INSTRUMENT
from lakehouse_sdk.tables.source import SourceFile

SIDES = ("buy", "sell")

_Columns = dict[str, pa.Array | pa.ChunkedArray]


def enrich(rows: pl.DataFrame, spec: FormatSpec, file: SourceFile) -> pa.Table:
    """The rows as the target table holds them, but for `_ingested_at`.

    Text columns are dictionary arrays: within an archive nearly all of them repeat one value.
    """
    table = rows.drop(
        LINE, *(column.name for column in spec.columns if not column.is_stored and column.name in rows)
    ).to_arrow()
    columns: _Columns = {
        "source": _repeat(file.source, rows.height),
        "market": _repeat(file.market, rows.height),
        "symbol": _repeat(file.symbol, rows.height),
    }
    if file.interval is not None:
        columns["interval"] = _repeat(file.interval, rows.height)
    columns |= {field.name: _as_stored(table[field.name], field.type) for field in table.schema}
    columns |= {name: columns.pop(f"{PREFIX}{name}") for name in exact_types(spec)}
    columns |= {name: pa.repeat(pa.scalar(value, pa.int64()), rows.height) for name, value in spec.constants}
    if file.instrument is not None:
        columns[INSTRUMENT] = _repeat(file.instrument, rows.height)
    derive = _DERIVED.get(spec.table)
    if derive is not None:
        columns |= derive(rows, file)
    columns["_source_key"] = _repeat(file.key, rows.height)
    columns["_source_sha256"] = _repeat(file.sha256, rows.height)
    return pa.table(columns)


def _repeat(value: str, count: int) -> pa.DictionaryArray:
    indices = pa.repeat(pa.scalar(0, pa.int32()), count)
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.string()))


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
