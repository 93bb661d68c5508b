"""Reading the books for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from lakehouse_sdk.errors import NotFoundError
from lakehouse_sdk.tables.judge.declared.read import SOURCE
from lakehouse_sdk.tables.layout.days import find_rows_per_day
from lakehouse_sdk.tables.layout.formats import find_format
from lakehouse_sdk.tables.layout.schemas import QUALITY, QUALITY_DAYS, QUARANTINE, SOURCE_KEY
from lakehouse_sdk.tables.read.series import SERIES
from lakehouse_sdk.tables.read.tables import Tables
from lakehouse_sdk.tables.views.quality.report import QualityReport

_DAY = timedelta(days=1)
_EXAMPLES = 3
_EXAMPLE_COLUMNS = ("rule", "value", "text", "line", SOURCE_KEY)
_READ_EXAMPLES = 5_000
"""Rows of the quarantine that are looked at for examples."""
_INSTANT = pl.Datetime("us", "UTC")
_COUNTS = ("rows_accepted", "rows_expected", "rows_flagged", "rows_quarantined")
_DAYS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(SERIES, pl.String),
    "day": _INSTANT,
    **dict.fromkeys(_COUNTS, pl.Int64),
    "score": pl.Float64,
    "first_time": _INSTANT,
    "last_time": _INSTANT,
}
_HOLES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {**dict.fromkeys(SERIES, pl.String), "day": _INSTANT}
Hole = tuple[str, str, str, str, str | None, datetime]
FindHoles = Callable[[Iterable[tuple[str, str, str]]], Sequence[Hole]]
_LATER_COUNTS = ("rows_flagged", "numbers_rounded")
_BY_RULE: dict[str, type[pl.DataType]] = {"rejects": pl.Int64, "flags": pl.Int64, "rule_failures": pl.String}


def read_quality(
    catalog: Tables,
    *,
    source: str | None = None,
    market: str | None = None,
    data_types: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    find_holes: FindHoles | None = None,
) -> QualityReport:
    """Report on the archives that overlap a time; reads the books only.

    Args:
        catalog: Where the books are.
        source: Publisher; None for all.
        market: Market; None for all.
        data_types: Types; None for all.
        symbols: Native symbols; None for all.
        start: What ends before is left out.
        end: What starts at or after is left out.
        find_holes: Days that count for the score wherever they lie, because the publisher has rows of them, of the sources,
            markets and data types that it is given; each with its series.

    Raises:
        NotFoundError: Nothing was built yet, or no archive is meant.
    """
    wanted = _wanted(source, market, data_types, symbols)
    overlaps = [*([pl.col("period_end") > start] if start else []), *([pl.col("period_start") < end] if end else [])]
    known = _read_archives(catalog, wanted)
    archives = known.filter(*overlaps)
    if archives.is_empty():
        raise NotFoundError(
            f"No archive was built of {_title(source, market, data_types, symbols, start, end)}.",
            hint="`lake.quality()` reports on all; `lake.catalog.list_tables()` says which tables there are.",
        )
    archives = archives.with_columns(_tables_of(archives))
    kinds = archives.select("source", "market", "data_type").unique().rows()
    holes = pl.DataFrame(find_holes(kinds) if find_holes else [], schema=_HOLES_SCHEMA, orient="row")
    days = _note_edges(_add_unreadable(_read_days(catalog, wanted), known), holes)
    inside = [*([pl.col("day") >= start - _DAY] if start else []), *([pl.col("day") < end] if end else [])]
    days = days.filter(*inside, *([pl.col("day") + _DAY > start] if start else []))
    days = days.with_columns(_tables_of(days))
    title = _title(source, market, data_types, symbols, start, end)
    return QualityReport(title, archives, days.sort(*SERIES, "day", nulls_last=True), _read_examples(catalog, archives))


def _read_archives(catalog: Tables, wanted: list[pl.Expr]) -> pl.DataFrame:
    """`silver.quality`; columns that a table of an older release lacks are null, or 0."""
    rows = catalog.table(QUALITY).scan().to_polars().filter(*wanted)
    by_rule = [(pl.col(name) if name in rows.columns else pl.lit(None)) for name in _BY_RULE]
    counts = [(pl.col(name) if name in rows.columns else pl.lit(0)) for name in _LATER_COUNTS]
    return rows.with_columns(
        *(value.cast(_pairs_of(type_)).alias(name) for value, (name, type_) in zip(by_rule, _BY_RULE.items(), strict=True)),
        *(value.cast(pl.Int64).fill_null(0).alias(name) for value, name in zip(counts, _LATER_COUNTS, strict=True)),
    )


def _pairs_of(values: type[pl.DataType]) -> pl.List:
    """A map as a list of keys and values, which polars can unfold."""
    return pl.List(pl.Struct({"key": pl.String, "value": values}))


def _wanted(
    source: str | None, market: str | None, data_types: Sequence[str] | None, symbols: Sequence[str] | None
) -> list[pl.Expr]:
    equal = {"source": source, "market": market}
    among = {"data_type": data_types, "symbol": symbols}
    return [
        *(pl.col(name) == value for name, value in equal.items() if value is not None),
        *(pl.col(name).is_in(list(values)) for name, values in among.items() if values is not None),
    ]


def _read_days(catalog: Tables, wanted: list[pl.Expr]) -> pl.DataFrame:
    try:
        days = catalog.table(QUALITY_DAYS).scan(columns=list(_DAYS_SCHEMA)).to_polars()
    except NotFoundError:  # no archive could be read so far
        days = pl.DataFrame(schema=_DAYS_SCHEMA)
    return _sum_up(days.filter(*wanted))


def _sum_up(days: pl.DataFrame) -> pl.DataFrame:
    """One row for each day of a series: a month and a day's archive may each have given rows of it."""
    sums = days.group_by(*SERIES, "day").agg(
        pl.col("rows_accepted").sum(),
        pl.col("rows_expected").max(),
        pl.col("rows_flagged", "rows_quarantined").sum(),
        pl.col("first_time").min(),
        pl.col("last_time").max(),
    )
    score = pl.min_horizontal(pl.col("rows_accepted") / pl.col("rows_expected"), 1.0)
    known = pl.when(pl.col("rows_expected") > 0).then(score).alias("score")
    return sums.with_columns(known).select(list(_DAYS_SCHEMA))


def _read_examples(catalog: Tables, archives: pl.DataFrame) -> pl.DataFrame:
    rows = catalog.table(QUARANTINE).scan(columns=_EXAMPLE_COLUMNS).head(_READ_EXAMPLES)
    found = pl.DataFrame(pl.from_arrow(rows)).join(archives.select(SOURCE_KEY), on=SOURCE_KEY, how="semi")
    return found.sort("rule", SOURCE_KEY, "line").group_by("rule", maintain_order=True).head(_EXAMPLES)


def _tables_of(rows: pl.DataFrame) -> pl.Series:
    """Full name of the table that takes the rows of each archive; the data type where no installed format knows it."""
    names = ("source", "market", "data_type")
    known = {place: find_format(*place) for place in rows.select(names).unique().iter_rows()}
    tables = [spec.table if (spec := known[place]) is not None else place[2] for place in rows.select(names).iter_rows()]
    return pl.Series("table", tables, dtype=pl.String)


def _add_unreadable(days: pl.DataFrame, archives: pl.DataFrame) -> pl.DataFrame:
    """The days, and those of archives that could not be read, unless another archive has them."""
    broken = archives.filter(pl.col("defect").is_not_null() & (pl.col("source") != SOURCE))  # those may speak of any time
    rows = [
        (*(archive[name] for name in SERIES), day, 0, _expected(archive), 0, 0, 0.0 if _expected(archive) else None, None, None)
        for archive in broken.iter_rows(named=True)
        for day in _list_days(archive["period_start"], archive["period_end"])
    ]
    added = pl.DataFrame(rows, schema=_DAYS_SCHEMA, orient="row")
    added = added.join(days, on=[*SERIES, "day"], how="anti", nulls_equal=True).unique([*SERIES, "day"])
    return pl.concat(
        [days.with_columns(pl.lit("").alias("note")), added.with_columns(pl.lit("unreadable").alias("note"))], how="vertical"
    )


def _expected(archive: dict[str, str | None]) -> int | None:
    spec = find_format(str(archive["source"]), str(archive["market"]), str(archive["data_type"]))
    return None if spec is None else find_rows_per_day(spec.table, spec.source, archive["interval"])


def _list_days(start: datetime, end: datetime) -> list[datetime]:
    return [start + number * _DAY for number in range(-((start - end) // _DAY))]


def _note_edges(days: pl.DataFrame, holes: pl.DataFrame) -> pl.DataFrame:
    """Say which days are a series' first and last, and which count for its score: not where it began or ended meanwhile.

    A day with rejected rows counts, and one that is among the holes.
    """
    days = days.join(holes.with_columns(pl.lit(value=True).alias("_hole")), on=[*SERIES, "day"], how="left", nulls_equal=True)
    has_rows = pl.col("rows_accepted") > 0
    first = pl.col("day").filter(has_rows).min().over(SERIES)
    last = pl.col("day").filter(has_rows).max().over(SERIES)
    noted = days.with_columns(first.alias("_first"), last.alias("_last"))
    partial = (pl.col("score") < 1).fill_null(value=False)
    at_first, at_last = pl.col("day") == pl.col("_first"), pl.col("day") == pl.col("_last")
    outside = (pl.col("day") < pl.col("_first")) | (pl.col("day") > pl.col("_last"))
    read = (pl.col("note") != "unreadable") & pl.col("_hole").is_null() & (pl.col("rows_quarantined") == 0)
    note = (
        pl.when(read & outside)
        .then(pl.lit("no rows yet, or no more"))
        .when(read & at_first & partial)
        .then(pl.lit("first day"))
        .when(read & at_last & partial)
        .then(pl.lit("last day"))
        .otherwise(pl.col("note"))
        .alias("note")
    )
    noted = noted.with_columns(note)
    scored = pl.col("score").is_not_null() & pl.col("note").is_in(["", "unreadable"])
    return noted.with_columns(scored.alias("is_scored")).drop("_first", "_last", "_hole")


def _title(
    source: str | None,
    market: str | None,
    data_types: Sequence[str] | None,
    symbols: Sequence[str] | None,
    start: datetime | None,
    end: datetime | None,
) -> str:
    parts = [source or "", market or "", ", ".join(data_types or ()), ", ".join(symbols or ())]
    span = f"from {start.astimezone(UTC):%Y-%m-%d}" if start else ""
    until = f"until {end.astimezone(UTC):%Y-%m-%d}" if end else ""
    return " ".join(part for part in (*parts, span, until) if part) or "everything"
