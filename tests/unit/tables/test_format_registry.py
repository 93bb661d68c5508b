"""Formats of other packages: found by their entry point, and harmless where they are broken."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
from table_archives import DAY, kline, kline_file

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables import get_format, parse_archive, validate
from lakehouse_sdk.tables.layout.formats import (
    FORMATS,
    KLINES,
    Column,
    FormatSpec,
    FormatWarning,
    Kind,
    find_format,
    list_formats,
)
from lakehouse_sdk.tables.layout.formats import registry as registry_module

COLUMNS = (
    Column("open_time", Kind.INSTANT, ("t",)),
    *(Column(name, Kind.FLOAT) for name in ("open", "high", "low", "close", "volume")),
)
OURS = FormatSpec("acme", "spot", "bars", KLINES, COLUMNS, ("open_time",), "open_time")
PAIR = [replace(OURS, market="um"), replace(OURS, market="cm")]
TAKEN = replace(OURS, source="binance", data_type="klines")
NO_TABLE = replace(OURS, market="a", table="silver.nowhere")
NO_KEY = replace(OURS, market="b", natural_key=("trade_id",))
NO_FORMAT = ["klines"]


def _entry(name: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{name}", registry_module.GROUP)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Entry points of the names given, beside a module that does not exist."""
    names: list[str] = request.param
    entries = [EntryPoint("gone", "no_such_module:FORMAT", registry_module.GROUP) if n == "gone" else _entry(n) for n in names]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: entries if group == registry_module.GROUP else [])
    monkeypatch.setitem(__import__("sys").modules, __name__, _Here)
    registry_module._load_installed.cache_clear()
    yield
    registry_module._load_installed.cache_clear()


class _Here:
    OURS, PAIR, TAKEN, NO_TABLE, NO_KEY, NO_FORMAT = OURS, PAIR, TAKEN, NO_TABLE, NO_KEY, NO_FORMAT


@pytest.mark.parametrize("install", [["OURS", "PAIR"]], indirect=True)
def test_installed_formats_are_found_beside_ours(install: None) -> None:
    assert find_format("acme", "spot", "bars") == OURS
    assert get_format("acme", "cm", "bars").market == "cm"
    assert set(list_formats()) == {*FORMATS, OURS, *PAIR}
    with pytest.raises(UsageError, match="acme/spot/bars"):
        get_format("acme", "option", "bars")


@pytest.mark.parametrize("install", [["OURS"]], indirect=True)
def test_an_installed_format_reads_and_checks_like_ours(install: None) -> None:
    lines = ["t,open,high,low,close,volume", *(",".join(kline(i).split(",")[:6]) for i in range(5))]
    data = "\n".join([*lines, "x"]).encode()
    key = f"acme/BTC-{DAY:%Y-%m-%d}.csv"
    file = replace(kline_file(data), source="acme", data_type="bars", key=key, sha256=hashlib.sha256(data).hexdigest())
    batch = validate(parse_archive(data, file))
    assert (batch.table, batch.rows_accepted, batch.rejects) == (KLINES, 5, {"column-count": 1})


@pytest.mark.parametrize(
    ("install", "message"),
    [
        (["OURS", "gone"], r"'gone' .*ModuleNotFoundError"),
        (["OURS", "TAKEN"], r"'TAKEN'.* binance/spot/klines, which is described already"),
        (["OURS", "NO_TABLE"], r"'NO_TABLE'.*'silver.nowhere', which does not exist"),
        (["OURS", "NO_KEY"], r"'NO_KEY'.*not among the columns of acme/b/bars"),
        (["OURS", "NO_FORMAT"], r"'NO_FORMAT'.*neither a FormatSpec nor a sequence"),
    ],
    indirect=["install"],
)
def test_a_broken_format_is_named_and_hurts_nobody(install: None, message: str) -> None:
    with pytest.warns(FormatWarning, match=message):
        assert find_format("acme", "spot", "bars") == OURS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_format("binance", "spot", "klines") == FORMATS[0], "named once, and ours stay"
        assert set(list_formats()) == {*FORMATS, OURS}


def test_our_formats_are_found_without_looking_at_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_load_installed", lambda: pytest.fail("looked"))
    assert find_format("binance", "um", "metrics") is not None
