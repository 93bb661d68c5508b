"""The books on quality and the report that is read from them, on a real MinIO."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from table_archives import DAY, agg_trade, check_agg_trades, check_klines, epoch_ms, kline, kline_file, klines_archive

from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import NotFoundError, TableError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.tables import CheckedBatch, QualityReport, TableCatalog, parse_archive, read_quality, validate
from lakehouse_sdk.tables.judge.rules import Given, Rule, Severity


def _hours(day: int, count: int = 24, symbol: str = "BTCUSDT", first: int = 0, **fields: object) -> CheckedBatch:
    """A daily archive of hourly bars."""
    start = DAY + timedelta(days=day)
    opens = [epoch_ms(start) + number * 3_600_000 for number in range(first, first + count)]
    lines = [kline(0, start, open_time=at, close_time=at + 3_599_999, **fields) for at in opens]
    return check_klines(lines, symbol=symbol, day=start, interval="1h")


def _unreadable(day: int, symbol: str = "BTCUSDT") -> CheckedBatch:
    return validate(parse_archive(b"no zip", kline_file(b"no zip", symbol, DAY + timedelta(days=day), interval="1h")))


def _days(report: QualityReport, *columns: str) -> list[tuple[Any, ...]]:
    return report.days.select(columns).rows()


def test_every_day_is_in_the_books_with_its_score(catalog: TableCatalog) -> None:
    catalog.commit([_hours(0), _hours(1, 18), check_agg_trades([agg_trade(i) for i in (3, 4, 9)])])
    rows = catalog.table("silver.quality_days").scan().to_polars().sort("data_type", "day")
    assert rows.select("data_type", "day", "rows_accepted", "rows_expected", "score").rows() == [
        ("aggTrades", DAY, 3, 7, 3 / 7),
        ("klines", DAY, 24, 24, 1.0),
        ("klines", DAY + timedelta(days=1), 18, 24, 0.75),
    ]
    assert "_source_key" not in rows.columns, "lineage is there, and hidden"
    (day,) = catalog.table("silver.quality_days").scan(symbols="BTCUSDT", start=DAY + timedelta(days=1)).to_polars().rows()
    assert day[3:5] == ("BTCUSDT", "1h")


def test_a_revision_replaces_its_day_and_a_repetition_changes_nothing(catalog: TableCatalog) -> None:
    catalog.commit([_hours(0, 20), _hours(1)])
    report = catalog.commit([_hours(0), _hours(1)])
    assert {table.table: table.archives_replaced for table in report.tables}["silver.quality_days"] == 1
    assert catalog.table("silver.quality_days").scan().to_polars().sort("day")["rows_accepted"].to_list() == [24, 24]
    assert catalog.commit([_hours(0), _hours(1)]).tables[1].rows_written == 0
    catalog.commit([_unreadable(0)])
    assert catalog.table("silver.quality_days").scan().count() == 2, "the rows stay, and so does what is said of them"


def test_a_day_that_takes_the_place_of_a_month_leaves_one_row_for_each_day(catalog: TableCatalog) -> None:
    hours = [epoch_ms(DAY) + number * 3_600_000 for number in range(72)]
    lines = [kline(0, open_time=at, close_time=at + 3_599_999) for at in hours]
    data, file = klines_archive(lines, interval="1h")
    month = validate(parse_archive(data, replace(file, key=f"month/{file.stem}.zip", period_end=DAY + timedelta(days=3))))
    catalog.commit([month])
    day = _hours(1, 20)
    catalog.commit([replace(day, withdraws=((month.file.key, day.file.period_start, day.file.period_end),))])
    rows = catalog.table("silver.quality_days").scan().to_polars().sort("day")
    assert rows["rows_accepted"].to_list() == [24, 20, 24]
    assert catalog.table("silver.klines").scan().count() == 68


def test_sums_agree_with_the_archives(catalog: TableCatalog) -> None:
    batches = [
        _hours(0),
        check_klines([kline(0), kline(0), kline(1, high="1"), "bad", kline(2, quote_volume="1", count=0)]),
        check_agg_trades([agg_trade(i) for i in range(5)]),
        _unreadable(1),
    ]
    commit = catalog.commit(batches)
    report = read_quality(catalog)
    assert report.counts == {
        "archives": 4,
        **{name: getattr(commit, name) for name in ("rows_in", "rows_accepted", "rows_duplicate", "rows_quarantined")},
        "rows_flagged": 1,
        "numbers_rounded": 0,
    }
    assert report.counts["rows_in"] == 24 + 5 + 5
    assert {row["table"]: row["rows_in"] for row in report.tables.to_dicts()} == {"silver.klines": 29, "silver.agg_trades": 5}
    assert [row[:4] for row in report.rules.rows()] == [
        ("column-count", "E", 1, 1),
        ("ohlc-order", "E", 1, 1),
        ("bar-gap", "W", 1, 1),
        ("quote-volume-range", "W", 1, 1),
        ("zero-volume", "W", 1, 1),
    ]
    assert report.defects.rows() == [(batches[3].file.key, "zip-unreadable", "BadZipFile: File is not a zip file")]
    assert report.examples["text"].to_list() == ["bad", kline(1, high="1")]
    assert report.summary in repr(report)
    assert "flagged; score" in report.summary


def test_a_partial_first_and_last_day_are_named_and_not_scored(catalog: TableCatalog) -> None:
    catalog.commit([_hours(0, 12, first=12), _hours(1), _hours(2, 18), _hours(3, 5), _hours(0, symbol="ETHUSDT")])
    report = read_quality(catalog, symbols=["BTCUSDT"])
    assert _days(report, "score", "is_scored", "note") == [
        (0.5, False, "first day"),
        (1.0, True, ""),
        (0.75, True, ""),
        (5 / 24, False, "last day"),
    ]
    assert report.score == 42 / 48
    assert report.worst_days()["day"].to_list() == [DAY + timedelta(days=2)]
    assert report.edge_days.height == 2
    cut = read_quality(catalog, symbols=["BTCUSDT"], start=DAY + timedelta(days=1), end=DAY + timedelta(days=3))
    assert _days(cut, "score", "is_scored") == [(1.0, True), (0.75, True)], "what is first is not decided by what is asked for"
    assert (cut.counts["archives"], cut.title) == (2, "BTCUSDT from 2024-03-02 until 2024-03-04")


def test_days_of_an_unreadable_archive_count_as_empty_unless_another_has_them(catalog: TableCatalog) -> None:
    catalog.commit([_hours(0), _unreadable(1), _hours(2)])
    report = read_quality(catalog)
    assert _days(report, "rows_accepted", "rows_expected", "is_scored", "note") == [
        (24, 24, True, ""),
        (0, 24, True, "unreadable"),
        (24, 24, True, ""),
    ]
    assert report.score == 48 / 72
    catalog.commit([_unreadable(2)])
    assert read_quality(catalog).days["rows_accepted"].to_list() == [24, 0, 24], "the rows of the older revision are there"


def test_a_lake_of_which_nothing_could_be_read_has_a_report(catalog: TableCatalog, tmp_path: Path) -> None:
    catalog.commit([_unreadable(0), _unreadable(1)])
    report = read_quality(catalog)
    assert (report.score, report.defects.height, report.days["note"].to_list()) == (0.0, 2, ["unreadable", "unreadable"])
    assert "Unreadable archives" in report.to_html(tmp_path / "quality.html").read_text(encoding="utf-8")
    with pytest.raises(TableError, match="below 100 %"):
        report.raise_for_score(1)


def test_where_nothing_can_be_expected_there_is_no_score(catalog: TableCatalog, tmp_path: Path) -> None:
    catalog.commit([check_klines([kline(0)], interval="7x")])
    report = read_quality(catalog)
    assert (report.score, report.series["score"].to_list()) == (None, [None])
    report.raise_for_score(1)
    page = report.to_html(tmp_path / "quality.html").read_text(encoding="utf-8")
    assert "No calendar to score by" in page


def test_a_score_that_is_too_low_names_series_and_day(catalog: TableCatalog) -> None:
    catalog.commit(
        [*(_hours(day, 12 if day == 1 else 24) for day in range(3)), *(_hours(d, symbol="ETHUSDT") for d in range(2))]
    )
    report = read_quality(catalog)
    report.raise_for_score(0.8)
    with pytest.raises(
        TableError, match=r"1 series is below 90 %: BTCUSDT klines 1h \(binance spot\) 83.33 %.*day is 2024-03-02"
    ):
        report.raise_for_score(0.9)


def test_what_was_never_built_has_no_report(catalog: TableCatalog) -> None:
    with pytest.raises(NotFoundError, match="There is no table"):
        read_quality(catalog)
    catalog.commit([_hours(0)])
    with pytest.raises(NotFoundError, match="No archive was built of ftx um klines DOGEUSDT"):
        read_quality(catalog, source="ftx", market="um", data_types=["klines"], symbols=["DOGEUSDT"])
    with pytest.raises(NotFoundError, match="until 2024-03-01"):
        read_quality(catalog, end=DAY)


def test_a_rule_that_failed_is_in_the_report(catalog: TableCatalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_given: Given) -> pl.Expr:
        raise ZeroDivisionError("oops")

    rule = Rule("my-rule", "Never.", Severity.REJECT, ("close",), fail)
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse_sdk.tables.judge.rules.load_installed", lambda taken: (rule,))
        catalog.commit([_hours(0), _hours(1)])
    report = read_quality(catalog)
    assert report.failures.rows() == [("my-rule", "ZeroDivisionError: oops", 2)]
    assert "Rules that failed" in report.to_html(tmp_path / "quality.html").read_text(encoding="utf-8")


def test_the_page_stands_alone_and_shows_what_the_report_says(catalog: TableCatalog, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    catalog.commit([_hours(0), _hours(1, 12), _hours(2), _unreadable(3), check_klines([kline(0), hostile], symbol="ETHUSDT")])
    report = read_quality(catalog)
    page = report.to_html(tmp_path / "deep" / "quality.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    for text in ("Score", "BTCUSDT klines 1h (binance spot)", "column-count", "zip-unreadable", "2024-03-02", "Worst days"):
        assert text in page
    card = report._repr_html_()
    assert "Quality of everything" in card
    assert "<svg" in card
    frame = report.to_pandas()
    assert (len(frame), str(frame["day"].dtype)) == (report.days.height, "datetime64[us, UTC]")


def test_a_clean_lake_looks_clean(catalog: TableCatalog, tmp_path: Path) -> None:
    catalog.commit([_hours(day) for day in range(130)])
    report = read_quality(catalog)
    assert (report.score, report.rules.height, report.worst_days().height) == (1.0, 0, 0)
    page = report.to_html(tmp_path / "quality.html").read_text(encoding="utf-8")
    assert "No scored day lacks a row" in page
    assert "2 days a cell" in page


def test_the_facade_and_the_values_for_programs(settings: Settings, catalog: TableCatalog) -> None:
    catalog.commit([_hours(0), _hours(1, 12), _hours(2)])
    report = Lakehouse(settings).quality("binance", start=datetime(2024, 3, 2, tzinfo=UTC))
    values = json.loads(json.dumps(report.to_dict(), default=str))
    assert (values["archives"], values["score"], values["series"][0]["score"]) == (2, 0.75, 0.75)
