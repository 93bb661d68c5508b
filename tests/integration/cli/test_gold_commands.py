"""`lakehouse tables bars` and `lakehouse tables cross-check`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from generated_days import published, traded

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.tables import open_catalog

DAY = date(2024, 3, 1)


@pytest.fixture
def command(lakehouse: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`lakehouse tables …` on a day of bars and trades."""
    monkeypatch.setenv("LAKEHOUSE_CATALOG__URI", f"sqlite:///{tmp_path}/catalog.db")
    with open_catalog(load_settings()) as catalog:
        catalog.commit([published("BTCUSDT", DAY), traded("BTCUSDT", DAY)])
    return lambda *arguments: lakehouse("tables", *arguments)


def test_bars_are_shown_written_and_saved(command: Callable[..., Any], tmp_path: Path) -> None:
    done = command("bars", "BTCUSDT", "-i", "6h", "-f", "vwap", "-f", "returns")
    assert done.code == 0
    assert done.out.count("BTCUSDT") == 4
    rows = command("bars", "BTCUSDT", "-i", "6h", "--from", "agg_trades", "--json").values
    assert [row["interval"] for row in rows] == ["6h"] * 4
    for name, read in (("bars.parquet", pl.read_parquet), ("bars.csv", pl.read_csv)):
        (told,) = command("bars", "BTCUSDT", "-i", "1h", "-o", tmp_path / name, "--json").values
        assert told == {"file": str(tmp_path / name), "rows": 24}
        assert read(tmp_path / name)["volume"].sum() == pytest.approx(sum(row["volume"] for row in rows))
    assert pl.read_csv(tmp_path / "bars.csv")["open_time"][1] == "2024-03-01T01:00:00Z"
    saved = command("bars", "-i", "1h", "--gaps", "fill", "--save", "gold.hours")
    assert saved.out.startswith("table: gold.hours, rows: 24, snapshot_id: ")
    assert command("head", "gold.hours", "-n", "1", "--json").values[0]["is_filled"] is False


def test_a_wrong_call_is_refused(command: Callable[..., Any]) -> None:
    for arguments, said in (
        (("bars", "-o", "bars.xls"), "neither .parquet nor .csv"),
        (("bars", "-i", "7x"), "no bars of '7x'"),
        (("bars", "-f", "alpha"), "features cannot be 'alpha'"),
    ):
        done = command(*arguments)
        assert (done.code, said in done.err) == (2, True), done.err


def test_the_cross_check_ends_with_1_where_bars_differ(command: Callable[..., Any]) -> None:
    clean = command("cross-check", "BTCUSDT")
    assert (clean.code, clean.out.strip().endswith("0 differ")) == (0, True)

    def edit(lines: list[bytes]) -> list[bytes]:
        cells = lines[600].split(b",")
        return [*lines[:600], b",".join([*cells[:8], b"77", *cells[9:]]), *lines[601:]]

    with open_catalog(load_settings()) as catalog:
        catalog.commit([published("BTCUSDT", DAY, edit=edit)])
    assert "2024-03-01 10:00:00" in command("cross-check").out
    done = command("cross-check", "--json")
    assert done.code == 1
    assert [row["column"] for row in done.values[0]["differences"]] == ["count"]
