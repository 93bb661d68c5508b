"""Many small archives checked at once: the outcome is the one that each has by itself, whatever is wrong with some of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import EDITS, mutate, mutate_lines
from table_archives import DAY, KLINE_HEADER, kline, klines_archive
from table_samples import source_file

from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.tables import CheckedBatch, SourceFile, check_archives, parse_archive, validate
from lakehouse_sdk.tables.judge import many
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, SampleType, make_sample

LIMITS = QualitySettings(halt_bars=3, frozen_snapshots=3, price_jump=0.01)
Archive = tuple[bytes, SourceFile]

_ALONE = {"bookDepth", "EOHSummary"}  # several rows of one time
_csv_types = [type_ for type_ in SAMPLE_TYPES if type_.header is not None and type_.data_type not in _ALONE]


def assert_same(found: CheckedBatch, expected: CheckedBatch) -> None:
    for name in (field.name for field in fields(CheckedBatch)):
        one, other = getattr(found, name), getattr(expected, name)
        if name == "accepted":
            assert one.schema == other.schema
            assert one.to_pylist() == other.to_pylist()
        elif name == "quarantined":
            assert one.equals(other)
        elif name == "flags":
            assert list(one.items()) == list(other.items())
        else:
            assert one == other, name


def assert_as_one_by_one(archives: list[Archive], *, exact: bool = False) -> None:
    together_ = check_archives(archives, LIMITS, exact=exact)
    for found, (data, file) in zip(together_, archives, strict=True):
        assert_same(found, validate(parse_archive(data, file, exact=exact), LIMITS))


def make_archive(type_: SampleType, number: int, rows: int, seed: int, edits: list[str]) -> Archive:
    """The archive of another day or symbol for each number."""
    other = replace(type_, symbol=type_.symbol.replace("BTC", "ETH")) if number % 2 else type_
    sample = make_sample(other, rows, seed=seed % 100 + number, start=DAY + timedelta(days=number // 2))
    lines = [line.replace("BTC", "ETH") if number % 2 else line for line in sample.lines]  # some name their symbol
    data = sample.pack(sample.text(mutate_lines(lines, seed + number, edits)))
    file = source_file(sample, data)
    return data, replace(file, key=file.key.replace("/", f"/{number}/", 1), instrument="BTC/USDT" if number % 3 else None)


@settings(max_examples=100)
@given(
    type_=st.sampled_from(SAMPLE_TYPES),
    rows=st.integers(1, 30),
    seed=st.integers(0, 2**32),
    edits=st.lists(st.lists(st.sampled_from(EDITS), max_size=4), min_size=2, max_size=6),
    exact=st.booleans(),
)
def test_the_outcome_is_that_of_each_by_itself(
    type_: SampleType, rows: int, seed: int, edits: list[list[str]], exact: bool
) -> None:
    archives = [make_archive(type_, number, rows, seed, edits[number]) for number in range(len(edits))]
    assert_as_one_by_one(archives, exact=exact)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), damaged=st.sets(st.integers(0, 6), max_size=3))
def test_damaged_archives_spoil_no_other(seed: int, damaged: set[int]) -> None:
    chance = random.Random(seed)
    archives = []
    for number in range(7):
        lines = [kline(i, DAY + timedelta(days=number)) for i in range(chance.randrange(1, 20))]
        packed, file = klines_archive([KLINE_HEADER, *lines] if number % 2 else lines, day=DAY + timedelta(days=number))
        if number in damaged:
            text = "".join(f"{line}\n" for line in lines).encode()
            packed = mutate(chance, file.stem, text, packed)[1]
            file = source_file_of(packed, file)
        archives.append((packed, file))
    assert_as_one_by_one(archives)


def source_file_of(data: bytes, file: SourceFile) -> SourceFile:
    """The same archive with other bytes."""
    import hashlib

    return replace(file, sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
def parsed_alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Keys of the archives that were parsed by themselves, since it was asked last."""
    keys: list[str] = []

    def parse(data: bytes, file: SourceFile, *, exact: bool = False, max_bytes: int = 0) -> object:
        keys.append(file.key)
        return parse_archive(data, file, exact=exact)

    def take() -> list[str]:
        taken = list(keys)
        keys.clear()
        return taken

    monkeypatch.setattr(many, "parse_archive", parse)
    return take


@pytest.mark.parametrize("type_", _csv_types, ids=lambda type_: type_.id)
def test_clean_archives_are_not_parsed_alone(type_: SampleType, parsed_alone: Callable[[], list[str]]) -> None:
    archives = [make_archive(type_, number, 20, 0, []) for number in range(6)]
    check_archives(archives, LIMITS)
    assert parsed_alone() == []


def test_only_the_archive_with_a_fault_is_parsed_alone(parsed_alone: Callable[[], list[str]]) -> None:
    faults = {1: "x", 4: "-1", 6: kline(3, DAY + timedelta(days=6))}  # no number; a negative volume; a repetition
    archives = []
    for number in range(9):
        day = DAY + timedelta(days=number)
        lines = [kline(i, day) for i in range(5)]
        if number in faults:
            lines[2] = kline(2, day, volume=faults[number]) if number < 6 else faults[number]
        archives.append(klines_archive(lines, day=day))
    batches = check_archives(archives, LIMITS)
    assert sorted(parsed_alone()) == sorted(archives[number][1].key for number in faults)
    assert [batch.rows_accepted for batch in batches] == [5, 4, 5, 5, 4, 5, 4, 5, 5]


def test_an_archive_outside_its_period_is_found(parsed_alone: Callable[[], list[str]]) -> None:
    archives = [klines_archive([kline(i, DAY) for i in range(3)], day=DAY + timedelta(days=number)) for number in range(3)]
    batches = check_archives(archives, LIMITS)
    assert [batch.rejects for batch in batches] == [{}, {"outside-period": 3}, {"outside-period": 3}]
    assert len(parsed_alone()) == 2


def test_large_archives_and_other_series_are_left_alone(
    parsed_alone: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, other = klines_archive([kline(0)]), klines_archive([kline(0)], market="um")
    check_archives([small, other], LIMITS)
    assert len(parsed_alone()) == 2, "one of a series each"
    monkeypatch.setattr(many, "SMALL_BYTES", len(small[0]))
    check_archives([small, klines_archive([kline(0)], symbol="ETHUSDT")], LIMITS)
    assert len(parsed_alone()) == 2


def test_rules_of_other_packages_see_one_archive_at_a_time(
    parsed_alone: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = [klines_archive([kline(0)]), klines_archive([kline(0)], symbol="ETHUSDT")]
    check_archives(archives, LIMITS)
    assert parsed_alone() == []
    monkeypatch.setattr(many, "select_installed", lambda spec, severity: ("a rule",))
    check_archives(archives, LIMITS)
    assert len(parsed_alone()) == 2


def test_a_large_file_in_a_small_archive_is_read_by_itself(
    parsed_alone: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is small while it is packed may be large: a few of those must not be held at once."""
    large = klines_archive([kline(i) for i in range(200)])
    small = [klines_archive([kline(0)], symbol=symbol) for symbol in ("ETHUSDT", "SOLUSDT")]
    monkeypatch.setattr(many, "_MOST_TEXT_BYTES", 5_000)
    monkeypatch.setattr("lakehouse_sdk.tables.judge.container.PIECE_BYTES", 1_000)
    batches = check_archives([large, *small], LIMITS)
    assert [batch.rows_accepted for batch in batches] == [200, 1, 1]
    assert parsed_alone() == [large[1].key]
