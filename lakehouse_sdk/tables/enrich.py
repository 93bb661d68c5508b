"""What the tables add to a published row: constants of the archive, the taker's side, the notional, the lineage."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from lakehouse_sdk.tables.formats import AGG_TRADES, FormatSpec
from lakehouse_sdk.tables.parse import LINE
from lakehouse_sdk.tables.source import SourceFile

SIDES = ("buy", "sell")


def enrich(rows: pl.DataFrame, spec: FormatSpec, file: SourceFile) -> pa.Table:
    """The rows as the target table holds them, but for `_ingested_at`.

    Text columns are dictionary arrays: within an archive nearly all of them repeat one value.
    """
    table = rows.drop(LINE).to_arrow()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "source": _repeat(file.source, rows.height),
        "market": _repeat(file.market, rows.height),
        "symbol": _repeat(file.symbol, rows.height),
    }
    if file.interval is not None:
        columns["interval"] = _repeat(file.interval, rows.height)
    columns |= {name: table[name] for name in table.column_names}
    derive = _DERIVED.get(spec.table)
    if derive is not None:
        columns |= derive(rows)
    columns["_source_key"] = _repeat(file.key, rows.height)
    columns["_source_sha256"] = _repeat(file.sha256, rows.height)
    return pa.table(columns)


def _repeat(value: str, count: int) -> pa.DictionaryArray:
    indices = pa.repeat(pa.scalar(0, pa.int32()), count)
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.string()))


def _derive_agg_trades(rows: pl.DataFrame) -> dict[str, pa.Array]:
    # The buyer was the maker: so the taker, who decides the side of a trade, sold.
    side = rows["is_buyer_maker"].cast(pl.Int32).to_arrow()
    return {
        "side": pa.DictionaryArray.from_arrays(side, pa.array(SIDES, pa.string())),
        "notional": (rows["price"] * rows["quantity"]).to_arrow(),
    }


_DERIVED: dict[str, Callable[[pl.DataFrame], dict[str, pa.Array]]] = {AGG_TRADES: _derive_agg_trades}
