"""`lakehouse tables quality` on a lake with a gap, a rejected row and an archive that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from table_archives import DAY, check_klines, kline, kline_file

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import open_catalog, parse_archive, validate


@pytest.fixture
def catalogue(settings: Settings, environment: dict[str, str]) -> None:
    """The commands use the catalogue of the test's settings."""
    environment["LAKEHOUSE_CATALOG__URI"] = str(settings.catalog.uri)


@pytest.fixture
def built(settings: Settings, catalogue: None) -> None:
    """Four days, of which the second has half its bars and the third none that can be read."""
    days = [DAY + timedelta(days=number) for number in range(4)]
    whole, half = range(1440), range(720)
    with open_catalog(settings) as catalog:
        catalog.commit(
            [
                check_klines([kline(i, days[0]) for i in whole], day=days[0]),
                check_klines([*(kline(i, days[1]) for i in half), "bad"], day=days[1]),
                validate(parse_archive(b"no zip", kline_file(b"no zip", day=days[2]))),
                check_klines([kline(i, days[3]) for i in whole], day=days[3]),
            ]
        )


@pytest.mark.usefixtures("built")
def test_quality_is_a_table_for_a_person(lakehouse: Callable[..., Any], tmp_path: Path) -> None:
    done = lakehouse("tables", "quality", "--symbol", "BTCUSDT", "--html", "deep/quality.html")
    assert done.code == 0
    out = done.out
    for text in (
        "BTCUSDT",
        "62.5 %",
        "column-count",
        "rejected",
        "zip-unreadable",
        "4 archives (1 unreadable)",
        "score 62.5 %",
    ):
        assert text in out, text
    assert Path("deep/quality.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.usefixtures("built")
def test_quality_as_json_and_its_exit_code(lakehouse: Callable[..., Any]) -> None:
    done = lakehouse("tables", "quality", "--json", "--min-score", "0.9")
    assert done.code == 1
    assert "BTCUSDT klines 1m (binance spot) 62.5 %" in done.err
    kinds = [value["type"] for value in done.values]
    assert kinds == ["series", "rule", "defect", "summary"]
    assert done.summary["rows_accepted"] == 3600
    assert lakehouse("tables", "quality", "--min-score", "0.6", "--end", "2024-03-02").code == 0
    missing = lakehouse("tables", "quality", "--symbol", "NONE")
    assert (missing.code, "No archive was built" in missing.err) == (1, True)


@pytest.mark.usefixtures("catalogue")
def test_ingest_reads_a_folder_by_a_schema_in_a_file(lakehouse: Callable[..., Any]) -> None:
    Path("inbox").mkdir()
    Path("inbox/a.csv").write_text("at,signal\n2024-01-01 08:00:00,0.5\n2024-01-01 09:00:00,x\n", encoding="utf-8")
    Path("schema.toml").write_text('time = "at"\nkey = ["at"]\n[columns]\nat = "time"\nsignal = "float"\n', encoding="utf-8")
    done = lakehouse("tables", "ingest", "silver.mine", "inbox", "--schema", "schema.toml", "--json")
    assert done.code == 0
    assert [done.values[0][name] for name in ("type", "outcome", "rows_quarantined")] == ["file", "ingested", 1]
    assert done.summary["rows_written"] == 1
    Path("inbox/b.csv").write_text("other\n", encoding="utf-8")
    again = lakehouse("tables", "ingest", "silver.mine", "inbox")
    assert (again.code, "unreadable b.csv: header-unknown: missing at, signal" in again.out) == (1, True)
    Path("schema.json").write_text("{", encoding="utf-8")
    broken = lakehouse("tables", "ingest", "silver.mine", "inbox", "--schema", "schema.json")
    assert (broken.code, "schema.json cannot be read" in broken.err) == (2, True)


@pytest.mark.usefixtures("built")
def test_replay_says_what_could_not_be_judged_again(lakehouse: Callable[..., Any]) -> None:
    """The archives of this lake were committed without a ledger."""
    done = lakehouse("tables", "replay", "--json")
    assert done.code == 1
    (archive, summary) = done.values
    assert (archive["type"], archive["outcome"], archive["quarantined_before"]) == ("archive", "skipped", 1)
    assert "ledger does not know it" in archive["reason"]
    assert summary["rows_written"] == 0
    told = lakehouse("tables", "replay", "--rule", "column-count")
    assert (told.code, "1 skipped; 1 → 1 rows in quarantine" in told.out) == (1, True)
    assert lakehouse("tables", "replay", "--rule", "ohlc-order").code == 0
