"""`lakehouse tables`: list, search, describe, query, history and restore on real tables."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from table_archives import check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import TableCatalog, open_catalog


@pytest.fixture
def catalog(settings: Settings, environment: dict[str, str]) -> Any:
    """Two commits of bars, of BTCUSDT with the tag `study`, then of ETHUSDT."""
    environment["LAKEHOUSE_CATALOG__URI"] = str(settings.catalog.uri)
    with open_catalog(settings) as opened:
        opened.commit([check_klines([kline(i) for i in range(10)], instrument="BTC/USDT")])
        opened.table("silver.klines").tag("study")
        opened.commit([check_klines([kline(i) for i in range(5)], symbol="ETHUSDT", instrument="ETH/USDT")])
        yield opened


@pytest.mark.usefixtures("catalog")
def test_tables_are_listed_with_what_is_in_them(lakehouse: Callable[..., Any]) -> None:
    done = lakehouse("tables", "list", "--json")
    by_name = {value["table"]: value for value in done.values}
    klines = by_name["silver.klines"]
    assert (done.code, klines["rows"], klines["files"], klines["snapshots"]) == (0, 15, 2, 2)
    assert klines["size_bytes"] > 0
    assert klines["committed_at"].startswith("20")
    assert by_name["silver.quarantine"]["committed_at"] is None
    lines = lakehouse("tables", "list").out.splitlines()
    assert [word for line in lines if line.startswith("silver.klines") for word in line.split()][1] == "15"
    assert any(line.startswith("silver.quarantine") and line.rstrip().endswith("never") for line in lines)


def test_an_empty_lake_says_what_to_do(
    lakehouse: Callable[..., Any], settings: Settings, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_CATALOG__URI", str(settings.catalog.uri))
    assert "archives collect" in lakehouse("tables", "list").out
    done = lakehouse("tables", "search", "btc")
    assert (done.code, "Nothing fits 'btc'" in done.err) == (1, True)


@pytest.mark.usefixtures("catalog")
def test_head_takes_canonical_names_and_states(lakehouse: Callable[..., Any]) -> None:
    rows = lakehouse("tables", "head", "silver.klines", "--symbol", "ETH/USDT", "-n", "2", "--json").values
    assert [row["symbol"] for row in rows] == ["ETHUSDT"] * 2
    assert "BTCUSDT" in lakehouse("tables", "head", "silver.klines", "--as-of", "study").out
    done = lakehouse("tables", "head", "silver.klines", "--as-of", "study", "--symbol", "ETHUSDT")
    assert (done.code, "no row of 'ETHUSDT'" in done.err) == (1, True)


@pytest.mark.usefixtures("catalog")
def test_search_finds_series(lakehouse: Callable[..., Any]) -> None:
    done = lakehouse("tables", "search", "btc", "1m", "--json")
    assert (done.code, done.values[0]["name"], done.values[0]["series"]["rows"]) == (0, "BTCUSDT", 10)
    shown = lakehouse("tables", "search", "usdt", "-n", "1").out
    assert "BTC/USDT" in shown
    assert "… and" in shown


@pytest.mark.usefixtures("catalog")
def test_describe_is_a_page_for_a_person_and_an_object_for_a_program(lakehouse: Callable[..., Any]) -> None:
    said = lakehouse("tables", "describe", "silver.klines")
    assert said.code == 0
    for text in ("First price, in quote currency", "ETH/USDT", "from binance: 2 archives", "quality"):
        assert text in said.out, text
    (value,) = lakehouse("tables", "describe", "silver.klines", "--json").values
    assert (value["row_count"], len(value["series"]), value["table"]) == (15, 2, "silver.klines")
    missing = lakehouse("tables", "describe", "silver.nothing")
    assert (missing.code, "There are: silver.klines" in missing.err) == (1, True)


@pytest.mark.usefixtures("catalog")
def test_query_prints_rows(lakehouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    count = "select symbol, count(*) as n from silver.klines group by 1 order by 1"
    assert lakehouse("tables", "query", count, "--json").values == [
        {"symbol": "BTCUSDT", "n": 10},
        {"symbol": "ETHUSDT", "n": 5},
    ]
    assert lakehouse("tables", "query", count, "--json", "--as-of", "study").values == [{"symbol": "BTCUSDT", "n": 10}]
    cut = lakehouse("tables", "query", "select open_time, null as nothing from silver.klines", "-n", "3").out
    assert len(cut.splitlines()) == 6
    assert "more" in cut.splitlines()[-1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1 as one"))
    assert lakehouse("tables", "query", "-", "--json").values == [{"one": 1}]


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("drop table silver.klines", 2, "single SELECT"),
        ("select * from silver.kline", 2, "Did you mean silver.klines"),
        ("select * from read_csv('/etc/passwd')", 2, "no files"),
        ("select 1 / 'x'", 2, "DuckDB"),
    ],
)
def test_query_refuses_with_a_sentence(lakehouse: Callable[..., Any], sql: str, code: int, said: str) -> None:
    done = lakehouse("tables", "query", sql)
    assert (done.code, said in done.err, done.out) == (code, True, "")


def test_history_and_restore(catalog: TableCatalog, lakehouse: Callable[..., Any]) -> None:
    first, second = lakehouse("tables", "history", "silver.klines", "--json").values
    assert (first["names"], first["rows"], first["is_current"]) == (["study"], 10, False)
    assert (second["names"], second["rows"], second["is_current"]) == (["main"], 15, True)
    shown = lakehouse("tables", "history", "silver.klines").out
    assert "study" in shown
    assert "no state yet" in lakehouse("tables", "history", "silver.quarantine").out

    asked = lakehouse("tables", "restore", "silver.klines", "--tag", "study")
    assert asked.code == 2
    assert "from 15 to 10 rows" in asked.err
    assert "--yes" in asked.err
    assert catalog.table("silver.klines").row_count == 15

    done = lakehouse("tables", "restore", "silver.klines", "--tag", "study", "--yes")
    assert done.code == 0
    assert "15 rows before, 10 now" in done.out
    assert catalog.table("silver.klines").scan().count() == 10
    back = lakehouse("tables", "restore", "silver.klines", "--snapshot", second["snapshot_id"], "--yes", "--json")
    assert back.values[0]["rows_after"] == 15
    again = lakehouse("tables", "restore", "silver.klines", "--as-of", "2100-01-01")  # nothing to do, nobody to ask
    assert again.code == 0


def test_a_person_is_asked_before_a_restore(
    catalog: TableCatalog, lakehouse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer, code, rows in (("n\n", 1, 15), ("y\n", 0, 10)):
        answers = io.StringIO(answer)
        answers.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", answers)
        done = lakehouse("tables", "restore", "silver.klines", "--tag", "study")
        assert (done.code, catalog.table("silver.klines").row_count) == (code, rows)
        assert "would go from 15 to 10 rows" in done.err


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "Name one state"),
        (("--tag", "study", "--snapshot", "1"), 2, "Name one state"),
        (("--tag", "nothing"), 1, "no tag 'nothing'"),
        (("--snapshot", "7"), 1, "no snapshot 7"),
        (("--as-of", "2001-01-01"), 1, "had no snapshot"),
        (("--as-of", "lately"), 2, "neither a date"),
    ],
)
def test_restore_refuses_with_a_sentence(lakehouse: Callable[..., Any], options: tuple[str, ...], code: int, said: str) -> None:
    done = lakehouse("tables", "restore", "silver.klines", *options, "--yes")
    assert (done.code, said in done.err) == (code, True)
