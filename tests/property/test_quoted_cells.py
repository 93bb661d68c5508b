"""Quotes around cells, empty cells and every spelling of a number change nothing, in every format and every way of reading."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_archives import DAY, zip_of
from table_samples import source_file, spec_of

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables import SourceFile, check_archives, parse_archive, validate
from lakehouse_sdk.tables.layout.formats import Kind
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, SampleType, make_sample

CSV_TYPES = [type_ for type_ in SAMPLE_TYPES if type_.header is not None]


def spell(text: str, kind: Kind, rnd: random.Random) -> str:
    """The same number in another spelling."""
    if kind is Kind.FLOAT:
        return rnd.choice(
            [text, f"{float(text)!r}", f"{float(text):.17e}", f"{float(text):.17E}", f"0{text}" if text[0] != "-" else text]
        )
    if kind is Kind.INTEGER:
        return rnd.choice([text, f"{text}.0", f"+{text}" if text[0] != "-" else text])
    return text


def rewrite(lines: list[str], kinds: list[Kind], optional: list[bool], rnd: random.Random, *, spellings: bool) -> list[str]:
    written = []
    for line in lines:
        cells = line.split(",")
        for place, cell in enumerate(cells):
            if optional[place] and rnd.random() < 0.3:
                cells[place] = ""
            elif spellings and cell:
                cells[place] = spell(cell, kinds[place], rnd)
        written.append(",".join(cells))
    return written


@given(type_=st.sampled_from(CSV_TYPES), seed=st.integers(0, 10**6), exact=st.booleans(), spellings=st.booleans())
def test_quoted_is_as_unquoted(type_: SampleType, seed: int, exact: bool, spellings: bool) -> None:
    rnd = random.Random(seed)
    sample = make_sample(type_, 20, seed=seed % 100)
    columns = spec_of(sample).columns
    lines = rewrite(
        sample.lines, [c.kind for c in columns], [c.optional for c in columns], rnd, spellings=spellings and not exact
    )
    quoted = [",".join(f'"{cell}"' if rnd.random() < 0.4 else cell for cell in line.split(",")) for line in lines]
    plain, odd = sample.pack(sample.text(lines)), sample.pack(sample.text(quoted))
    wanted = parse_archive(plain, source_file(sample, plain), exact=exact)
    found = parse_archive(odd, source_file(sample, odd), exact=exact)
    assert found.rejected.is_empty()
    assert found.rows.equals(wanted.rows)
    assert found.rows.height == len(lines)
    assert found.numbers_rounded == wanted.numbers_rounded
    file = source_file(sample, odd)
    pair = [(odd, file), (odd, replace(file, key=f"again/{file.key}"))]
    for batch in check_archives(pair, QualitySettings(), exact=exact):
        assert batch.accepted.drop_columns(["_source_key"]).equals(
            validate(parse_archive(odd, file, exact=exact)).accepted.drop_columns(["_source_key"])
        )


MEMBER = f"BTCUSD_PERP-metrics-{DAY:%Y-%m-%d}.csv"
METRICS = "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"  # noqa: E501


def metrics_file(data: bytes) -> SourceFile:
    key = f"data/futures/cm/daily/metrics/BTCUSD_PERP/BTCUSD_PERP-metrics-{DAY:%Y-%m-%d}.zip"
    place = ("binance", "cm", "metrics", "BTCUSD_PERP", None)
    return SourceFile(*place, DAY, DAY + timedelta(days=1), key, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("cells", "nulls"),
    [
        ('5578700.0,18265.0,"","","",0.0085', 3),
        ('5578700.0,18265.0,"","","",""', 4),
        ('"5578700.0","18265.0","1.1","1.2","1.3","0.0085"', 0),
        ("5578700.0,0E-8,,,,1e-05", 3),
        ("55787E2,0.0,1E0,+1.5,.5,5.", 0),
    ],
    ids=["three ratios absent", "all ratios absent", "all quoted", "powers of ten", "every spelling"],
)
def test_published_metrics(cells: str, nulls: int) -> None:
    """As COIN-M's files had them from June 2023: every row is kept, absent ratios are nulls."""
    times = [DAY + timedelta(minutes=5 * number) for number in range(1, 289)]
    lines = [f"{time:%Y-%m-%d %H:%M:%S},BTCUSD_PERP,{cells}" for time in times]
    data = zip_of((MEMBER, "\n".join([METRICS, *lines, ""]).encode()))
    batch = validate(parse_archive(data, metrics_file(data)))
    assert (batch.rows_accepted, batch.rows_quarantined) == (288, 0)
    assert sum(batch.accepted[name].null_count for name in METRICS.split(",")[4:]) == 288 * nulls


def test_a_quote_that_closes_nowhere_swallows_one_line() -> None:
    good = f"{DAY + timedelta(minutes=5):%Y-%m-%d %H:%M:%S},BTCUSD_PERP,1.0,2.0,1,1,1,1"
    bad = f'{DAY + timedelta(minutes=10):%Y-%m-%d %H:%M:%S},BTCUSD_PERP,"1.0,2.0,1,1,1,1'
    last = f"{DAY + timedelta(minutes=15):%Y-%m-%d %H:%M:%S},BTCUSD_PERP,1.0,2.0,1,1,1,1"
    data = zip_of((MEMBER, f"{METRICS}\n{good}\n{bad}\n{last}\n".encode()))
    batch = validate(parse_archive(data, metrics_file(data)))
    assert (batch.rows_accepted, batch.rows_quarantined) == (2, 1)
    assert batch.quarantined["line"].to_list() == [3]
