"""A write that an exception ends leaves what was there before, through whatever it was written."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FSSpecHandler, PyFileSystem

from lakehouse_sdk.config import Settings
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.filesystem.file import DiscardedWriteWarning

PIECE = b"0123456789abcdef" * 4096
SMALL, LARGE = 3, 100  # pieces: one request, and several parts


class BoomError(Exception):
    """What goes wrong in the middle."""


def boom() -> None:
    raise BoomError


Write = Callable[[Any, str, int, bool], None]


def pump(file: Any, pieces: int, *, fail: bool, text: bool = False) -> None:
    for number in range(pieces):
        file.write(PIECE.decode() if text else PIECE)
        if fail and number == pieces - 2:
            raise BoomError


def by_fs_open(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fs.open(path, "wb") as file:
        pump(file, pieces, fail=fail)


def by_fs_open_text(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fs.open(path, "w") as file:
        pump(file, pieces, fail=fail, text=True)


def by_fs_open_gzip(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fs.open(path, "wb", compression="gzip") as file:
        pump(file, pieces, fail=fail)


def by_fsspec_open(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fsspec.open(f"lakehouse://{path}", "wb", settings=fs.settings) as file:
        pump(file, pieces, fail=fail)


def by_fsspec_open_text(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fsspec.open(f"lakehouse://{path}", "w", settings=fs.settings) as file:
        pump(file, pieces, fail=fail, text=True)


def by_fsspec_open_bz2(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with fsspec.open(f"lakehouse://{path}", "wb", compression="bz2", settings=fs.settings) as file:
        pump(file, pieces, fail=fail)


def by_buffered_writer(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with io.BufferedWriter(fs.open(path, "wb"), 1 << 16) as file:
        pump(file, pieces, fail=fail)


def by_finally(fs: Any, path: str, pieces: int, fail: bool) -> None:
    file = fs.open(path, "wb")
    try:
        pump(file, pieces, fail=fail)
    finally:
        file.close()


def by_pandas(fs: Any, path: str, pieces: int, fail: bool) -> None:
    class Cell:
        def __str__(self) -> str:
            if fail:
                raise BoomError
            return "x"

    frame = pd.DataFrame({"a": [*([PIECE.decode()] * (pieces - 1)), Cell()]}, dtype=object)
    frame.to_csv(f"lakehouse://{path}", storage_options={"settings": fs.settings}, chunksize=1)


def by_parquet_writer(fs: Any, path: str, pieces: int, fail: bool) -> None:
    table = pa.table({"a": [PIECE]})
    with pq.ParquetWriter(path, table.schema, filesystem=fs, compression="none", use_dictionary=False) as writer:
        for number in range(pieces):
            writer.write_table(table)
            if fail and number == pieces - 2:
                raise BoomError


def by_arrow_stream(fs: Any, path: str, pieces: int, fail: bool) -> None:
    with PyFileSystem(FSSpecHandler(fs)).open_output_stream(path) as file:
        pump(file, pieces, fail=fail)


WAYS: list[Write] = [
    by_fs_open, by_fs_open_text, by_fs_open_gzip, by_fsspec_open, by_fsspec_open_text, by_fsspec_open_bz2, by_buffered_writer,
    by_finally, by_pandas, by_parquet_writer, by_arrow_stream,
]  # fmt: skip


@pytest.fixture
def fs(settings: Settings) -> LakehouseFileSystem:
    return LakehouseFileSystem(settings=settings)


@contextmanager
def heard() -> Iterator[None]:
    """Ways that close by hand are told; others are not, because the exception itself is seen."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DiscardedWriteWarning)
        yield


@pytest.mark.parametrize("pieces", [SMALL, LARGE])
@pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)
def test_an_exception_leaves_what_was_there(fs: LakehouseFileSystem, s3: Any, bucket: str, write: Write, pieces: int) -> None:
    with heard(), pytest.raises(BoomError):
        write(fs, f"{bucket}/new", pieces, True)
    fs.pipe(f"{bucket}/old", b"as it was")
    with heard(), pytest.raises(BoomError):
        write(fs, f"{bucket}/old", pieces, True)
    gc.collect()
    assert [info.key for info in s3.list_objects(bucket)] == ["old"]
    assert s3.get_bytes(bucket, "old") == b"as it was"
    assert not [*s3.list_uploads(bucket, "old"), *s3.list_uploads(bucket, "new")]


@pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)
def test_without_one_it_is_written(fs: LakehouseFileSystem, s3: Any, bucket: str, write: Write) -> None:
    write(fs, f"{bucket}/new", LARGE, False)
    assert [info.key for info in s3.list_objects(bucket)] == ["new"]
    assert s3.get_info(bucket, "new").size_bytes > 0


UNCLOSED = {
    "bytes": lambda fs, path: fs.open(path, "wb"),
    "text": lambda fs, path: fs.open(path, "w"),
    "buffered": lambda fs, path: io.BufferedWriter(fs.open(path, "wb")),
    "compressed": lambda fs, path: fs.open(path, "wb", compression="gzip"),
}


@pytest.mark.parametrize("wrap", UNCLOSED.values(), ids=UNCLOSED)
def test_a_file_that_nobody_closes_is_discarded_and_said(fs: LakehouseFileSystem, s3: Any, bucket: str, wrap: Any) -> None:
    file = wrap(fs, f"{bucket}/new")
    file.write("half" if isinstance(file, io.TextIOBase) else b"half")
    held = [file]
    del file
    with pytest.warns(DiscardedWriteWarning, match="never closed"):
        held.clear()
    assert list(s3.list_objects(bucket)) == []


def test_a_write_inside_of_a_handler_is_a_write(fs: LakehouseFileSystem, s3: Any, bucket: str) -> None:
    """The exception was being handled before the file was opened, so it says nothing of the file."""
    try:
        boom()
    except BoomError:
        with fs.open(f"{bucket}/note", "w") as file:
            file.write("what went wrong")
        fs.pipe(f"{bucket}/other", b"1")
    assert s3.get_bytes(bucket, "note") == b"what went wrong"


def test_a_close_inside_of_a_handler_is_said(fs: LakehouseFileSystem, s3: Any, bucket: str) -> None:
    file = fs.open(f"{bucket}/new", "wb")
    file.write(b"half")
    try:
        boom()
    except BoomError:
        with pytest.warns(DiscardedWriteWarning, match="BoomError"):
            file.close()
    assert list(s3.list_objects(bucket)) == []
