"""Where row groups end."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_sdk.tables.iceberg import datafiles


@pytest.mark.parametrize(
    ("symbols", "groups"),
    [
        ("aaa", [3]),
        ("aaaabbbb", [4, 4]),
        ("aabbccdd", [4, 4]),
        ("abcdefgh", [4, 4]),
        ("aaaaaaaaaaaabbbb", [10, 2, 4]),
        ("aaaab", [4, 1]),
        ("aaabbb", [6]),
    ],
)
def test_a_row_group_ends_with_its_symbol_when_it_is_large_enough(
    symbols: str, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datafiles, "LEAST_GROUP_ROWS", 4)
    monkeypatch.setattr(datafiles, "ROW_GROUP_ROWS", 10)
    column = pa.chunked_array([pa.array(list(symbols), pa.string()).dictionary_encode()])
    rows = pa.table({"symbol": column, "position": pa.array(range(len(symbols)), pa.int64())})
    stream = io.BytesIO()
    with datafiles.open_parquet(stream, rows.schema) as writer:
        datafiles.write_row_groups(writer, rows)
    file = pq.ParquetFile(stream)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == groups
    assert file.read()["position"].to_pylist() == list(range(len(symbols)))


def test_rows_without_a_symbol_are_cut_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafiles, "ROW_GROUP_ROWS", 10)
    rows, stream = pa.table({"position": pa.array(range(25), pa.int64())}), io.BytesIO()
    with datafiles.open_parquet(stream, rows.schema) as writer:
        datafiles.write_row_groups(writer, rows)
    file = pq.ParquetFile(stream)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 5]


@pytest.mark.parametrize("tiny_rows", [0, 1_000], ids=["side by side", "gathered"])
def test_pieces_are_laid_out_in_their_order(tiny_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From several tables, of which one lacks a column, with other dictionaries, and not from their beginnings."""
    monkeypatch.setattr(datafiles, "_TINY_ROWS", tiny_rows)

    def table(symbol: str, count: int, **more: pa.Array) -> pa.Table:
        symbols = pa.array([f"{symbol}{number % 2}" for number in range(count)]).dictionary_encode()
        return pa.table({"symbol": symbols, "number": pa.array(range(count), pa.int64()), **more})

    one, other = table("a", 6), table("b", 4, extra=pa.array([0.5] * 4))
    places = [(other, 1, 2), (one, 4, 2), (one, 0, 1), (other, 0, 1)]
    pieces = [datafiles._Piece(("key", "sha256"), ("", 0), *place) for place in places]
    rows = datafiles._lay_out(pieces)
    assert rows["symbol"].to_pylist() == ["b1", "b0", "a0", "a1", "a0", "b0"]
    assert rows["number"].to_pylist() == [1, 2, 4, 5, 0, 0]
    assert rows["extra"].to_pylist() == [0.5, 0.5, None, None, None, 0.5]
