"""Rules of other packages: found by their entry point, and harmless where they are broken or raise."""

from __future__ import annotations

import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint

import polars as pl
import pytest
from table_archives import agg_trade, check_agg_trades, check_klines, kline

from lakehouse_sdk.tables import describe_rule
from lakehouse_sdk.tables.judge.rules import Given, Rule, RuleWarning, Severity
from lakehouse_sdk.tables.judge.rules import registry as registry_module
from lakehouse_sdk.tables.layout.formats import AGG_TRADES, KLINES

SENTENCE = "A close is below 100."


def _too_high(_given: Given) -> pl.Expr:
    return pl.col("close") >= 100


def _no_column(_given: Given) -> pl.Expr:
    return pl.col("nowhere") > 1


def _number(_given: Given) -> pl.Expr:
    return pl.col("close") + 1


def _raises(_given: Given) -> pl.Expr:
    raise ZeroDivisionError("oops")


def _panics(_given: Given) -> pl.Expr:
    return pl.col("close").map_batches(lambda _: 1 / 0, return_dtype=pl.Boolean)


def _always(_given: Given) -> pl.Expr:
    return pl.lit(value=True)


HIGH = Rule("my-high", SENTENCE, Severity.REJECT, ("close",), _too_high)
ODD = Rule("my-odd", "Nothing is odd.", Severity.FLAG, ("close",), _always, tables=(KLINES,), sources=("binance",))
OTHERS = [
    Rule("my-ftx", "Never.", Severity.REJECT, ("close",), _always, sources=("ftx",)),
    Rule("my-trades", "Never.", Severity.REJECT, ("price",), _always, tables=(AGG_TRADES,)),
]
TAKEN = replace(HIGH, id="halt")
TWICE = [HIGH, HIGH]
NO_COLUMN = Rule("no-columns", "Nothing.", Severity.FLAG, (), _always)
NO_RULE = ["halt"]
BREAKING = [
    Rule("my-missing", "Never.", Severity.REJECT, ("close",), _no_column),
    Rule("my-number", "Never.", Severity.FLAG, ("close",), _number),
    Rule("my-error", "Never.", Severity.REJECT, ("close",), _raises),
    Rule("my-panic", "Never.", Severity.FLAG, ("close",), _panics),
]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Entry points of the names given, beside a module that does not exist."""
    module = types.ModuleType("rules_of_a_test")
    module.__dict__.update({name: value for name, value in globals().items() if name.isupper()})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entries = [
        EntryPoint(name, f"{'no_such_module' if name == 'gone' else module.__name__}:{name}", registry_module.GROUP)
        for name in request.param
    ]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: entries if group == registry_module.GROUP else [])
    registry_module.load_installed.cache_clear()
    yield
    registry_module.load_installed.cache_clear()


@pytest.mark.parametrize("install", [["HIGH", "ODD", "OTHERS"]], indirect=True)
def test_an_installed_rule_rejects_and_flags_like_ours(install: None) -> None:
    batch = check_klines([kline(0), kline(1, high="200", close="100"), kline(2), kline(3, high="1")])
    assert batch.rejects == {"my-high": 1, "ohlc-order": 1}
    assert batch.quarantined["value"].to_list() == ["close=100.0", "open=10.5, high=1.0, low=9.75, close=11.0"]
    assert batch.flags["my-odd"] == batch.rows_accepted == batch.rows_flagged == 2
    assert batch.rule_failures == {}
    assert describe_rule("my-high") == SENTENCE
    assert check_agg_trades([agg_trade(0)]).rejects == {"my-trades": 1}


@pytest.mark.parametrize("install", [["HIGH"]], indirect=True)
def test_a_row_that_breaks_ours_too_is_rejected_for_ours(install: None) -> None:
    assert check_klines([kline(0, close="100")]).rejects == {"ohlc-order": 1}


@pytest.mark.parametrize("install", [["BREAKING", "HIGH"]], indirect=True)
def test_a_rule_that_raises_loses_nothing_and_is_named(install: None) -> None:
    batch = check_klines([kline(0), kline(1, high="200", close="100")])
    assert (batch.rows_accepted, batch.rejects, batch.flags) == (1, {"my-high": 1}, {})
    assert set(batch.rule_failures) == {"my-missing", "my-number", "my-error", "my-panic"}
    assert batch.rule_failures["my-error"] == "ZeroDivisionError: oops"
    assert "Float64" in batch.rule_failures["my-number"]
    assert check_klines(b"").rows_in == 0


@pytest.mark.parametrize(
    ("install", "message"),
    [
        (["HIGH", "gone"], r"'gone' .*ModuleNotFoundError"),
        (["HIGH", "TAKEN"], r"'TAKEN'.*'halt' has a meaning already"),
        (["HIGH", "TWICE"], r"'TWICE'.*'my-high' has a meaning already"),
        (["HIGH", "NO_COLUMN"], r"'NO_COLUMN'.*names no column"),
        (["HIGH", "NO_RULE"], r"'NO_RULE'.*neither a Rule nor a sequence"),
    ],
    indirect=["install"],
)
def test_a_rule_that_does_not_load_is_named_and_hurts_nobody(install: None, message: str) -> None:
    with pytest.warns(RuleWarning, match=message):
        assert check_klines([kline(0, high="200", close="100")]).rejects == {"my-high": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_klines([kline(0)]).rows_accepted == 1, "named once"


def test_rules_travel_between_processes() -> None:
    assert pickle.loads(pickle.dumps(HIGH)) == HIGH
