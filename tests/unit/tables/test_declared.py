"""Files of one's own: what is declared is what is read, and nothing else is guessed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_archives import zip_of

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables import CheckedBatch, TableSchema, check_file, find_content, make_file

TABLE = "silver.my_signals"
SCHEMA = TableSchema(
    columns={"at": "time", "symbol": "text", "signal": "float", "rank": "int", "live": "bool", "day": "date"},
    time="at",
    key=("at", "symbol"),
    optional=("rank",),
)
HEADER = "at,symbol,signal,rank,live,day"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ROW = {"at": NOON, "symbol": "BTC", "signal": 0.5, "rank": 3, "live": True, "day": datetime(2024, 3, 1, tzinfo=UTC)}
GOOD = "2024-03-01 12:00:00,BTC,0.5,3,true,2024-03-01"


def _check(data: bytes | str, name: str = "a.csv", schema: TableSchema = SCHEMA) -> CheckedBatch:
    data = data.encode() if isinstance(data, str) else data
    return check_file(data, make_file(TABLE, name, hashlib.sha256(data).hexdigest()), schema, QualitySettings())


def _rows(batch: CheckedBatch) -> list[dict[str, Any]]:
    assert batch.defect is None, batch.defect
    return [{name: row.get(name) for name in SCHEMA.columns} for row in batch.accepted.to_pylist()]


def _parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def _plain(values: dict[str, Any]) -> str:
    return json.dumps({name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()})


JSON = _plain({**ROW, "day": "2024-03-01"})
PARQUET = _parquet(at=[NOON], symbol=["BTC"], signal=[0.5], rank=[3], live=[True], day=[date(2024, 3, 1)])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", f"{HEADER}\n{GOOD}\n"),
        ("a.CSV", f"\ufeffAT,Symbol,signal,rank,live,day\r\n{GOOD}\r\n"),
        ("a.csv", "day,live,rank,signal,symbol,at\n2024-03-01,TRUE,3,0.5,BTC,2024-03-01T12:00:00Z"),
        ("a.csv", f"{HEADER}\n1709294400,BTC,0.5,3,true,2024-03-01\n"),
        ("a.csv", '"at","symbol",signal,rank,live,day\n"2024-03-01 12:00:00","BTC","0.5",3,true,2024-03-01\n'),
        ("a.csv.gz", gzip.compress(f"{HEADER}\n{GOOD}\n".encode(), mtime=0)),
        ("a.zip", zip_of(("a.csv", f"{HEADER}\n{GOOD}\n".encode()))),
        ("a.jsonl", f"{JSON}\n"),
        ("a.ndjson.gz", gzip.compress(JSON.encode(), mtime=0)),
        ("a.json", JSON.replace('"2024-03-01T12:00:00+00:00"', "1709294400000")),
        ("a.parquet", PARQUET),
    ],
    ids=range(11),
)
def test_one_row_in_every_form(name: str, data: bytes | str) -> None:
    batch = _check(data, name)
    assert _rows(batch) == [ROW]
    assert (batch.rows_in, batch.flags, batch.table) == (1, {}, TABLE)
    assert batch.accepted["_source_key"].to_pylist() == [f"{TABLE}/{name}"]


@pytest.mark.parametrize(
    ("name", "data", "reason", "detail"),
    [
        ("a.csv", "at,symbol,signal,live,day,extra\n", "header-unknown", "not declared extra"),
        ("a.csv", "at,symbol\nx,y\n", "header-unknown", "missing signal, live, day"),
        ("a.csv", f"{GOOD}\n", "header-unknown", "missing at"),
        ("a.csv", f"{HEADER},at\n{GOOD},1\n", "header-unknown", "twice"),
        ("a.jsonl", '{"at": 1}\n', "header-unknown", "missing symbol"),
        ("a.jsonl", "[1]\n", "header-unknown", "no JSON object"),
        ("a.parquet", b"PAR1 not", "parquet-unreadable", "Error"),
        ("a.parquet", _parquet(at=["x"]), "header-unknown", "at is String in the file and time in the schema"),
        ("a.csv.gz", b"no gzip", "gzip-unreadable", ""),
        ("a.zip", zip_of(("b.csv", b""), ("c.csv", b"")), "zip-members", "a.csv"),
    ],
    ids=range(10),
)
def test_another_file_is_refused_with_a_reason(name: str, data: bytes | str, reason: str, detail: str) -> None:
    batch = _check(data, name)
    assert batch.defect is not None
    assert batch.defect.reason == reason
    assert detail in batch.defect.detail
    assert (batch.rows_in, batch.accepted.num_rows) == (0, 0)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("2024-03-01 12:00:00,BTC,x,3,true,2024-03-01", "number"),
        ("2024-03-01 12:00:00,BTC,nan,3,true,2024-03-01", "number"),
        ("2024-03-01 12:00:00,,0.5,3,true,2024-03-01", "number"),
        ("yesterday,BTC,0.5,3,true,2024-03-01", "number"),
        ("2024-03-01 12:00:00,BTC,0.5,3.5,true,2024-03-01", "number"),
        ("2024-03-01 12:00:00,BTC,0.5,3,yes,2024-03-01", "number"),
        ("2024-03-01 12:00:00,BTC,0.5,3,true,2024-02-30", "number"),
        ("2024-03-01 12:00:00,BTC,0.5", "column-count"),
        ('2024-03-01 12:00:00,"B,C",0.5,3,true', "column-count"),
        ('2024-03-01 12:00:00,"B"C,0.5,3,true,2024-03-01', "column-count"),
    ],
)
def test_a_bad_row_is_in_quarantine_with_its_line(line: str, rule: str) -> None:
    batch = _check(f"{HEADER}\n{GOOD}\n{line}\n")
    assert _rows(batch) == [ROW]
    assert batch.quarantined.select("line", "rule", "text").rows() == [(3, rule, line)]


def test_optional_columns_may_be_empty_or_missing() -> None:
    empty = _check(f"{HEADER}\n2024-03-01 12:00:00,BTC,0.5,,true,2024-03-01\n")
    missing = _check("at,symbol,signal,live,day\n2024-03-01 12:00:00,BTC,0.5,true,2024-03-01\n")
    null = _check(JSON.replace('"rank": 3', '"rank": null'), "a.jsonl")
    lacking = _check(_parquet(at=[NOON], symbol=["BTC"], signal=[0.5], live=[True], day=[date(2024, 3, 1)]), "a.parquet")
    assert _rows(empty) == _rows(missing) == _rows(null) == _rows(lacking) == [{**ROW, "rank": None}]


def test_quotes_keep_commas_and_quotes() -> None:
    rows = [('say ""hi"", twice', 'say "hi", twice'), ("plain", "plain")]
    lines = [f'2024-03-01 12:00:0{i},"{text}",0.5,3,true,2024-03-01' for i, (text, _) in enumerate(rows)]
    batch = _check("\n".join([HEADER, *lines]))
    assert [row["symbol"] for row in _rows(batch)] == [text for _, text in rows]


def test_rows_of_one_key_are_repetitions_or_contradict_each_other() -> None:
    other = GOOD.replace("0.5", "0.7")
    later = GOOD.replace("12:00:00", "13:00:00")
    batch = _check(f"{HEADER}\n{GOOD}\n{other}\n{later}\n{later}")
    assert (batch.rows_accepted, batch.rows_duplicate, batch.rejects) == (1, 1, {"conflicting-duplicate": 2})


def test_rows_of_parquet_are_rejected_with_their_number_and_text() -> None:
    at = [NOON, NOON, NOON + timedelta(hours=1)]
    batch = _check(
        _parquet(
            at=at, symbol=["BTC", "BTC", None], signal=[0.5, float("nan"), 1.0], live=[True] * 3, day=[date(2024, 3, 1)] * 3
        ),
        "a.parquet",
    )
    assert (batch.rows_accepted, batch.quarantined["line"].to_list()) == (1, [2, 3])
    assert '"symbol":null' in batch.quarantined["text"][1]


def test_times_of_parquet_are_utc_whatever_their_zone_and_unit() -> None:
    zone = timezone(timedelta(hours=2))
    for at in (
        pl.Series([NOON.astimezone(zone)]).dt.convert_time_zone("Europe/Berlin"),
        pl.Series([NOON.replace(tzinfo=None)]).cast(pl.Datetime("ns")),
        pl.Series([NOON]).cast(pl.Datetime("ms", "UTC")),
    ):
        batch = _check(_parquet(at=at, symbol=["BTC"], signal=[0.5], live=[True], day=[date(2024, 3, 1)]), "a.parquet")
        assert batch.accepted["at"].to_pylist() == [NOON]


def test_an_empty_file_has_no_rows() -> None:
    for name, data in (("a.csv", b""), ("a.csv", f"{HEADER}\n".encode()), ("a.jsonl", b"\n")):
        batch = _check(data, name)
        assert (batch.defect, batch.rows_in, batch.days) == (None, 0, ())


_word = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_value = st.tuples(_word, st.floats(allow_nan=False, allow_infinity=False), st.none() | st.integers(-(2**63), 2**63 - 1))


@given(values=st.lists(_value, max_size=8), form=st.sampled_from(["a.csv", "a.jsonl", "a.parquet"]))
def test_every_value_survives_in_every_form(values: list[tuple[str, float, int | None]], form: str) -> None:
    frame = pl.DataFrame(
        [(NOON + timedelta(seconds=i), word, number, rank, i % 2 == 0) for i, (word, number, rank) in enumerate(values)],
        schema={
            "at": pl.Datetime("us", "UTC"),
            "symbol": pl.String,
            "signal": pl.Float64,
            "rank": pl.Int64,
            "live": pl.Boolean,
        },
        orient="row",
    ).with_columns(pl.col("at").dt.date().alias("day"))
    buffer = io.BytesIO()
    if form == "a.parquet":
        frame.write_parquet(buffer)
    elif form == "a.csv":
        frame.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S")).write_csv(buffer)
    else:
        frame.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S"), pl.col("day").cast(pl.String)).write_ndjson(buffer)
    batch = _check(buffer.getvalue(), form)
    assert batch.rows_quarantined == 0, batch.quarantined
    found = [(row["symbol"], row["signal"], row["rank"]) for row in _rows(batch)]
    assert found == values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {"At": "time"}}, "'At' is not usable"),
        ({"columns": {"at": "timestamp"}}, "cannot be of type 'timestamp'"),
        ({"time": "when"}, "time names when"),
        ({"key": ()}, "needs a key"),
        ({"key": ("nothing",)}, "key names nothing"),
        ({"time": "signal"}, "signal places rows in time and is float"),
        ({"optional": ("symbol",)}, "symbol cannot be optional"),
        ({"key": ("at", "rank")}, "rank cannot be optional"),
        ({"every": "year"}, "neither month nor day"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(SCHEMA, **change)


def test_a_schema_is_plain_values_as_well() -> None:
    plain = {"columns": {"at": "time", "signal": "float", "rank": "int?"}, "time": "at", "key": ["at"]}
    schema = TableSchema.from_dict(plain)
    assert (schema.optional, schema.key, schema.columns["rank"]) == (("rank",), ("at",), "int")
    assert TableSchema.from_json(schema.to_json()) == schema
    with pytest.raises(UsageError, match="has no keys"):
        TableSchema.from_dict({**plain, "keys": ["at"]})
    with pytest.raises(UsageError, match="lacks time, key"):
        TableSchema.from_dict({"columns": {}})
    for name in ("signals", "gold.mine", "silver.klines", "silver.My"):
        with pytest.raises(UsageError, match="cannot take files"):
            schema.to_layout(name)


def test_a_table_takes_further_optional_columns_and_nothing_else() -> None:
    wider = replace(SCHEMA, columns={**SCHEMA.columns, "extra": "float"}, optional=("rank", "extra"))
    assert SCHEMA.extend(TABLE, SCHEMA) is SCHEMA
    assert SCHEMA.extend(TABLE, wider).columns["extra"] == "float"
    for other, message in (
        (replace(wider, optional=("rank",)), "extra is new and not optional"),
        (SCHEMA.from_dict({"columns": {"at": "time"}, "time": "at", "key": ["at"]}), "symbol is missing"),
        (replace(SCHEMA, columns={**SCHEMA.columns, "signal": "int"}), "signal is float"),
        (replace(SCHEMA, optional=()), r"rank is int\?"),
        (replace(SCHEMA, key=("at",), every="day"), "every is 'month' and not 'day'"),
    ):
        with pytest.raises(UsageError, match=message):
            SCHEMA.extend(TABLE, other)


def test_the_name_says_what_is_in_a_file() -> None:
    assert [find_content(name) for name in ("a.csv.gz", "b.JSONL", "c.parquet", "d.txt")] == ["csv", "json", "parquet", None]
