"""The series in the tables, as the book of archives (`silver.quality`) knows them: no data file is opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from lakehouse_sdk.display import format_share
from lakehouse_sdk.tables.layout.filters import one_of
from lakehouse_sdk.tables.layout.formats import DATA_TABLES, find_format, list_formats
from lakehouse_sdk.tables.layout.schemas import INSTRUMENT
from lakehouse_sdk.tables.layout.symbols import Spellings

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table as IcebergTable

SERIES = ("source", "market", "data_type", "symbol", "interval")
"""What names a series."""
_COUNTS = ("rows_in", "rows_accepted", "rows_duplicate", "rows_quarantined")


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series of one table, summed over the archives that were built.

    Attributes:
        table: Full name of the table that holds its rows.
        source: Publisher.
        market: Market.
        data_type: Type as the publisher spells it.
        symbol: Symbol as the publisher spells it.
        instrument: Symbol as ccxt writes it; None where the spelling follows no known rule.
        interval: Bar length; None where the type has none.
        archives: Archives that were built.
        unreadable: Those of them that could not be read at all.
        rows: Rows that their archives brought: accepted ones.
        rows_in: Data lines of the archives.
        rows_duplicate: Exact repetitions among them.
        rows_quarantined: Rejected ones among them.
        first_time: Time of the first row, UTC; None without rows.
        last_time: Time of the last row, UTC; None without rows.
        score: As in `QualityReport`; None where nothing can be expected, and where nobody asked for it.
    """

    table: str
    source: str
    market: str
    data_type: str
    symbol: str
    instrument: str | None
    interval: str | None
    archives: int
    unreadable: int
    rows: int
    rows_in: int
    rows_duplicate: int
    rows_quarantined: int
    first_time: datetime | None
    last_time: datetime | None
    score: float | None = None


def list_series(quality: IcebergTable, table: str | None = None) -> list[SeriesInfo]:
    """Every series of one table or of all, without scores, by table, source, market, symbol and interval."""
    columns = (*SERIES, *_COUNTS, "defect", "first_time", "last_time", *_instrument(quality))
    wanted = None if table is None else _types_of(table)
    rows = _read(quality, columns, wanted)
    if INSTRUMENT not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias(INSTRUMENT))
    groups = rows.group_by(SERIES).agg(
        pl.len().alias("archives"),
        pl.col("defect").is_not_null().sum().alias("unreadable"),
        *(pl.col(name).sum() for name in _COUNTS),
        pl.col("first_time").min(),
        pl.col("last_time").max(),
        pl.col(INSTRUMENT).drop_nulls().first(),
    )
    found = []
    for row in groups.rename({"rows_accepted": "rows"}).iter_rows(named=True):
        home = table_of(row["source"], row["market"], row["data_type"])
        if home is not None and table in {None, home}:
            found.append(SeriesInfo(table=home, **row))
    return sorted(found, key=lambda s: (s.table, s.source, s.market, s.symbol, s.interval or ""))


def _types_of(table: str) -> BooleanExpression:
    """Archives that can hold rows of the table."""
    return one_of("data_type", tuple(sorted({spec.data_type for spec in list_formats() if spec.table == table})) or ("",))


def find_spellings(quality: IcebergTable, table: str, canonical: Sequence[str]) -> Spellings:
    """What canonical names stand for, in this table where it is one of archives' rows; unknown names are left out."""
    if not canonical or not _instrument(quality):
        return {}
    rows = _read(quality, (*SERIES, INSTRUMENT), one_of(INSTRUMENT, tuple(dict.fromkeys(canonical))))
    found: dict[str, dict[tuple[str, str, str], None]] = defaultdict(dict)
    for row in rows.unique().sort(SERIES).iter_rows(named=True):
        if table not in DATA_TABLES or table_of(row["source"], row["market"], row["data_type"]) == table:
            found[row[INSTRUMENT]][row["source"], row["market"], row["symbol"]] = None
    return {name: tuple(series) for name, series in found.items()}


def table_of(source: str, market: str, data_type: str) -> str | None:
    """The table that takes these archives' rows; None where no format is known any more."""
    spec = find_format(source, market, data_type)
    return None if spec is None else spec.table


def _instrument(quality: IcebergTable) -> tuple[str, ...]:
    """The column, where the book has it: an older release wrote none."""
    return (INSTRUMENT,) if INSTRUMENT in quality.schema().column_names else ()


def _read(quality: IcebergTable, columns: tuple[str, ...], row_filter: BooleanExpression | None) -> pl.DataFrame:
    scan = quality.scan(selected_fields=columns) if row_filter is None else quality.scan(row_filter, selected_fields=columns)
    return cast("pl.DataFrame", pl.from_arrow(scan.to_arrow()))


def name_series(row: dict[str, Any]) -> str:
    """The series of a row as a person says it: `BTCUSDT klines 1m (binance um)`."""
    named = " ".join(part for part in (row["symbol"], row["data_type"], row["interval"]) if part)
    place = f"{row['source']} {row['market']}".strip()
    return f"{named} ({place})"


def format_score(score: float | None) -> str:
    """A score in percent; only a whole one is `100 %`."""
    return format_share(score, 1)
