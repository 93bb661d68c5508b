"""Where row groups end."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_sdk.tables import datafiles


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
