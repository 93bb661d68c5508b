"""Rules and duplicates: each row is accepted, duplicate or quarantined, and the report says why."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pytest
from table_archives import DAY, KLINE_HEADER, agg_trade, agg_trades_archive, check_agg_trades, check_klines, epoch_ms, kline

from lakehouse_sdk.tables import CheckedBatch, describe_rule, parse_archive, validate
from lakehouse_sdk.tables.judge.rules import RULES, SENTENCES, Severity

GOOD = [kline(i) for i in range(6)]
NEXT_DAY = epoch_ms(DAY + timedelta(days=1))


def _counts(batch: CheckedBatch) -> tuple[int, int, int, int]:
    assert batch.rows_in == batch.rows_accepted + batch.rows_duplicate + batch.rows_quarantined
    return batch.rows_in, batch.rows_accepted, batch.rows_duplicate, batch.rows_quarantined


def test_clean_rows_are_accepted_without_a_flag() -> None:
    batch = check_klines([kline(i) for i in range(1440)])
    assert _counts(batch) == (1440, 1440, 0, 0)
    assert batch.flags == {}
    assert (batch.first_time, batch.last_time) == (DAY, DAY + timedelta(minutes=1439))


@pytest.mark.parametrize(
    ("rule", "fields", "value"),
    [
        ("price-positive", {"low": "0"}, "open=10.5, high=12.25, low=0.0, close=11.0"),
        ("price-positive", {"open": "-1", "low": "-2"}, "open=-1.0, high=12.25, low=-2.0, close=11.0"),
        ("ohlc-order", {"high": "9.80"}, "open=10.5, high=9.8, low=9.75, close=11.0"),
        ("ohlc-order", {"low": "10.75"}, "open=10.5, high=12.25, low=10.75, close=11.0"),
        ("volume-nonnegative", {"count": -1}, None),
        ("volume-nonnegative", {"volume": "-4.5"}, None),
        ("volume-nonnegative", {"taker_buy_quote_volume": "-0.1"}, None),
        ("taker-within-volume", {"taker_buy_volume": "4.6"}, "taker_buy_volume=4.6, volume=4.5"),
        ("close-time", {"close_time": epoch_ms(DAY)}, None),
        ("close-time", {"close_time": epoch_ms(DAY + timedelta(days=40))}, None),
        ("outside-period", {"open_time": NEXT_DAY}, "open_time=2024-03-02 00:00:00.000000+00:00"),
        ("outside-period", {"open_time": epoch_ms(DAY) - 1}, None),
        ("outside-period", {"open_time": 0}, None),
    ],
)
def test_each_rule_on_klines(rule: str, fields: dict[str, object], value: str | None) -> None:
    bad = kline(1, **fields)
    batch = check_klines([KLINE_HEADER, GOOD[0], bad, *GOOD[2:]])
    assert _counts(batch) == (6, 5, 0, 1)
    assert batch.rejects == {rule: 1}
    line, found, shown, text = batch.quarantined.row(0)
    assert (line, found, text) == (3, rule, bad)
    assert value is None or shown == value


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("price-positive", {"price": "0"}),
        ("volume-nonnegative", {"quantity": "-0.5"}),
        ("quantity-positive", {"quantity": "0.000"}),
        ("trade-id-order", {"first_trade_id": 5, "last_trade_id": 4}),
        ("outside-period", {"transact_time": NEXT_DAY}),
    ],
)
def test_each_rule_on_agg_trades(rule: str, fields: dict[str, object]) -> None:
    batch = check_agg_trades([agg_trade(0), agg_trade(1, **fields), agg_trade(2)])
    assert _counts(batch) == (3, 2, 0, 1)
    assert batch.rejects == {rule: 1}


def test_bars_of_a_halt_are_good() -> None:
    flat = {"open": "5", "high": "5", "low": "5", "close": "5", "volume": "0", "quote_volume": "0", "count": 0}
    batch = check_klines([kline(i, **flat, taker_buy_volume="0", taker_buy_quote_volume="0") for i in range(3)])
    assert _counts(batch) == (3, 3, 0, 0)
    assert batch.flags == {}


def test_the_period_is_half_open() -> None:
    last = kline(1439)
    batch = check_klines([GOOD[0], last, kline(1440)])
    assert batch.rejects == {"outside-period": 1}
    assert batch.last_time == DAY + timedelta(minutes=1439)


def test_a_row_that_breaks_several_rules_is_counted_once_for_the_first() -> None:
    batch = check_klines([kline(0, open="-1", high="-5", volume="-1")])
    assert batch.rejects == {"price-positive": 1}


def test_of_exact_repetitions_the_first_stays() -> None:
    batch = check_klines([row for row in GOOD for _ in range(3)])
    assert _counts(batch) == (18, 6, 12, 0)


def test_the_same_value_in_another_spelling_is_a_repetition() -> None:
    batch = check_klines([GOOD[0], kline(0, us=True, open="10.50000000", close_time=epoch_ms(DAY) + 59_999)])
    assert _counts(batch) == (2, 1, 1, 0)


def test_conflicting_rows_are_all_quarantined() -> None:
    other = kline(2, close="11.5")
    batch = check_klines([*GOOD[:3], other, GOOD[2], *GOOD[3:]])
    assert _counts(batch) == (8, 5, 0, 3)
    assert batch.rejects == {"conflicting-duplicate": 3}
    assert batch.quarantined["line"].to_list() == [3, 4, 5]
    assert batch.quarantined["value"][0] == "open_time=2024-03-01 00:02:00.000000+00:00"


def test_a_row_that_is_bad_by_itself_is_no_evidence_against_another() -> None:
    batch = check_klines([*GOOD, kline(2, close="-1")])
    assert _counts(batch) == (7, 6, 0, 1)
    assert batch.rejects == {"price-positive": 1}


def test_repetitions_and_conflicts_of_trades_go_by_id() -> None:
    rows = [agg_trade(0), agg_trade(1), agg_trade(1), agg_trade(2), agg_trade(2, price="7"), agg_trade(3)]
    batch = check_agg_trades(rows)
    assert _counts(batch) == (6, 3, 1, 2)


def test_a_key_of_several_columns() -> None:
    parsed = parse_archive(*agg_trades_archive([agg_trade(0), agg_trade(0, price="7"), agg_trade(0), agg_trade(1)]))
    spec = replace(parsed.spec, natural_key=("agg_trade_id", "price"))
    assert _counts(validate(replace(parsed, spec=spec))) == (4, 3, 1, 0)


def test_rows_out_of_order_are_accepted_in_order_and_flagged() -> None:
    batch = check_klines(GOOD[::-1])
    assert _counts(batch) == (6, 6, 0, 0)
    assert batch.flags == {"row-order": 5}
    times = batch.accepted["open_time"].to_pylist()
    assert times == sorted(times)


def test_trades_of_one_instant_are_ordered_by_id() -> None:
    rows = [agg_trade(i, transact_time=epoch_ms(DAY)) for i in (2, 0, 1)]
    assert check_agg_trades(rows).accepted["agg_trade_id"].to_pylist() == [0, 1, 2]


def test_flags_reject_nothing() -> None:
    batch = check_klines(
        [
            kline(0, close_time=epoch_ms(DAY) + 30_000),
            kline(1, open_time=epoch_ms(DAY) + 61_000),
            kline(2, volume="0", taker_buy_volume="0"),
            kline(3),
        ]
    )
    assert _counts(batch) == (4, 4, 0, 0)
    assert batch.flags == {"open-time-misaligned": 1, "close-time-misaligned": 2, "bar-gap": 1, "zero-volume": 1}


def test_gaps_between_aggregate_ids_are_counted() -> None:
    batch = check_agg_trades([agg_trade(i) for i in (0, 1, 5, 6, 9)])
    assert batch.flags == {"agg-id-gap": 2}


@pytest.mark.parametrize(
    ("interval", "start", "length"),
    [
        ("1s", DAY, timedelta(seconds=1)),
        ("1h", DAY, timedelta(hours=1)),
        ("1d", DAY, timedelta(days=1)),
        ("1w", datetime(2024, 3, 4, tzinfo=UTC), timedelta(weeks=1)),
        ("1mo", datetime(2024, 2, 1, tzinfo=UTC), timedelta(days=29)),
    ],
)
@pytest.mark.parametrize("us", [False, True])
def test_every_grid(interval: str, start: datetime, length: timedelta, us: bool) -> None:
    unit, last = (1000, timedelta(microseconds=1)) if us else (1, timedelta(milliseconds=1))
    close = round((start + length - last).timestamp() * 1000 * unit)
    row = kline(0, start, us=us, close_time=close)
    assert check_klines([row], day=start, interval=interval).flags == {}
    shifted = kline(0, start, open_time=epoch_ms(start) + 500, close_time=epoch_ms(start) + 501)
    flags = check_klines([shifted], day=start, interval=interval).flags
    assert flags == {"open-time-misaligned": 1, "close-time-misaligned": 1}


def test_an_interval_that_nobody_knows_has_no_grid() -> None:
    assert check_klines([kline(0, close_time=epoch_ms(DAY) + 7)], interval="7x").flags == {}


def test_the_taker_side_and_the_notional_are_added() -> None:
    rows = check_agg_trades([agg_trade(0), agg_trade(1)]).accepted.select(["is_buyer_maker", "side", "notional"]).to_pylist()
    assert rows == [
        {"is_buyer_maker": False, "side": "buy", "notional": 50.125},
        {"is_buyer_maker": True, "side": "sell", "notional": 50.125},
    ]


def test_rows_carry_where_they_come_from() -> None:
    batch = check_klines(GOOD[:1], symbol="ETHUSDT")
    (row,) = batch.accepted.to_pylist()
    assert {name: row[name] for name in ("source", "market", "symbol", "interval", "_source_key", "_source_sha256")} == {
        "source": "binance",
        "market": "spot",
        "symbol": "ETHUSDT",
        "interval": "1m",
        "_source_key": batch.file.key,
        "_source_sha256": batch.file.sha256,
    }
    assert "interval" not in check_agg_trades([agg_trade(0)]).accepted.column_names


def test_accepted_rows_hold_no_null() -> None:
    for batch in (check_klines([*GOOD, "bad"]), check_agg_trades([agg_trade(i, spot=True) for i in range(3)], market="spot")):
        assert not any(pc.any(column.is_null()).as_py() for column in batch.accepted.columns)


def test_everything_in_quarantine() -> None:
    batch = check_klines(["a,b", kline(0, open="?"), kline(1, high="1")])
    assert _counts(batch) == (3, 0, 0, 3)
    assert (batch.first_time, batch.last_time, batch.flags) == (None, None, {})
    assert batch.quarantined["line"].to_list() == [1, 2, 3]


def test_batches_travel_between_processes() -> None:
    batch = check_klines([*GOOD, "bad"])
    again = pickle.loads(pickle.dumps(batch))
    assert again.accepted.equals(batch.accepted)
    assert again.quarantined.equals(batch.quarantined)
    assert again.rejects == batch.rejects


def test_every_rule_has_one_meaning() -> None:
    for table, rules in RULES.items():
        assert len({rule.id for rule in rules}) == len(rules), table
        for rule in rules:
            assert describe_rule(rule.id) == rule.sentence
            assert rule.severity in Severity
    assert all(describe_rule(rule_id) for rule_id in SENTENCES)
    with pytest.raises(KeyError):
        describe_rule("no-such-rule")
