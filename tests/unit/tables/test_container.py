"""The zip around a file: one good member is read, everything else has a reason."""

from __future__ import annotations

import gzip
import struct
import zipfile
from dataclasses import replace

import pytest
from table_archives import csv_of, kline, kline_file, zip_of
from table_samples import check

from lakehouse_sdk.tables import parse_archive, validate
from lakehouse_sdk.tables.judge import container
from lakehouse_sdk.tables.judge.container import UnreadableError, cut_lines
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, make_sample

CSV = csv_of(kline(i) for i in range(50))


@pytest.fixture(params=[300, container.PIECE_BYTES], ids=["many pieces", "one piece"], autouse=True)
def piece_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Everything holds however a file is cut."""
    size: int = request.param
    monkeypatch.setattr(container, "PIECE_BYTES", size)
    monkeypatch.setattr(container, "_PACKED_BYTES", max(size // 3, 7))
    return size


def unpack(data: bytes, stem: str, kind: str = "zip", max_bytes: int = container.MAX_CSV_BYTES) -> bytes:
    """All pieces."""
    pieces = list(container.unpack(data, stem, kind, max_bytes))
    assert all(0 < len(piece) <= container.PIECE_BYTES for piece in pieces)
    return b"".join(pieces)


def _reason(data: bytes, kind: str = "zip", max_bytes: int = container.MAX_CSV_BYTES) -> str:
    with pytest.raises(UnreadableError) as caught:
        unpack(data, "x", kind, max_bytes)
    assert caught.value.defect.detail
    return caught.value.defect.reason


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_member_of_the_stem_is_read(method: int) -> None:
    assert unpack(zip_of(("x.csv", CSV), method=method), "x") == CSV


def test_what_macos_adds_does_not_count_as_a_member() -> None:
    data = zip_of(("x.csv", CSV), ("__MACOSX/._x.csv", b"\0"), ("folder/", b""))
    assert unpack(data, "x") == CSV


@pytest.mark.parametrize(
    "members",
    [
        (),
        (("x.csv", CSV), ("y.csv", CSV)),
        (("x.csv", CSV), ("x.csv", CSV)),
        (("y.csv", CSV),),
        (("../x.csv", CSV),),
        (("x.txt", CSV),),
    ],
    ids=["none", "two", "twice", "other stem", "zip slip", "no csv"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members_than_the_expected_one(members: tuple[tuple[str, bytes], ...]) -> None:
    assert _reason(zip_of(*members)) == "zip-members"


def test_bytes_that_are_no_zip() -> None:
    assert _reason(b"") == "zip-unreadable"
    assert _reason(b"<html>not found</html>") == "zip-unreadable"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_truncated(part: float) -> None:
    data = zip_of(("x.csv", CSV))
    assert _reason(data[: int(len(data) * part)]) == "zip-unreadable"


def test_wrong_crc() -> None:
    data = bytearray(zip_of(("x.csv", CSV), method=zipfile.ZIP_STORED))
    data[100] ^= 0xFF
    assert _reason(bytes(data)) == "zip-unreadable"


def test_damaged_stream() -> None:
    data = bytearray(zip_of(("x.csv", CSV)))
    data[40:60] = bytes(20)
    assert _reason(bytes(data)) == "zip-unreadable"


@pytest.mark.parametrize("method", [97, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93])
def test_a_compression_that_is_never_published(method: int) -> None:
    """Also one that Python knows: bytes that are said to be LZMA make its decoder raise an error of its own."""
    data = bytearray(zip_of(("x.csv", b"\x09\x04\x05\x00" + b"\xff" * 60), method=zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(signature) + offset, method)
    assert _reason(bytes(data)) == "zip-unreadable"


def test_encrypted() -> None:
    data = bytearray(zip_of(("x.csv", CSV)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.index(signature) + offset, 1)
    assert _reason(bytes(data)) == "zip-encrypted"


def test_a_member_beyond_the_cap_is_not_unpacked_and_is_called_no_bomb() -> None:
    """Months of trades are beyond any cap some day: that says nothing of who made them."""
    assert _reason(zip_of(("x.csv", CSV)), max_bytes=len(CSV) - 1) == "file-too-large"
    assert unpack(zip_of(("x.csv", CSV)), "x", max_bytes=len(CSV)) == CSV


def test_a_large_member_that_shrinks_too_well_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "RATIO_FREE_BYTES", 100_000)
    assert _reason(zip_of(("x.csv", bytes(1_000_000)))) == "zip-bomb"
    assert unpack(zip_of(("x.csv", bytes(90_000))), "x") == bytes(90_000), "a small one is no danger, however well it packs"


def test_a_declared_size_that_is_too_small_does_not_smuggle_bytes_past_the_cap() -> None:
    data = bytearray(zip_of(("x.csv", CSV)))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    assert _reason(bytes(data)) == "zip-unreadable"


def _gzip_reason(data: bytes) -> str:
    return _reason(data, "gz")


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_gzip_stream_is_read(level: int) -> None:
    assert unpack(gzip.compress(CSV, level), "x", "gz") == CSV
    assert unpack(gzip.compress(b""), "x", "gz") == b""


def test_several_members_are_one_file() -> None:
    assert unpack(gzip.compress(CSV) + gzip.compress(b"") + gzip.compress(CSV), "x", "gz") == CSV + CSV
    assert unpack(gzip.compress(CSV) + bytes(512), "x", "gz") == CSV, "zeros fill blocks of tapes"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"<html>not found</html>", CSV])
def test_bytes_that_are_no_gzip(data: bytes) -> None:
    assert _gzip_reason(data) == "gzip-unreadable"


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100])
def test_truncated_gzip(cut: int) -> None:
    assert _gzip_reason(gzip.compress(CSV)[:-cut]) == "gzip-unreadable"
    assert _gzip_reason(gzip.compress(CSV) + gzip.compress(CSV)[:-cut]) == "gzip-unreadable"


@pytest.mark.parametrize("place", [-8, -4, -30])
def test_gzip_with_a_wrong_crc_length_or_content(place: int) -> None:
    data = bytearray(gzip.compress(CSV))
    data[place] ^= 0xFF
    assert _gzip_reason(bytes(data)) == "gzip-unreadable"


@pytest.mark.parametrize("rest", [b"x", b"\x1f", b"xy"])
def test_too_few_bytes_behind_a_gzip_stream_may_be_the_beginning_of_another(rest: bytes) -> None:
    assert _gzip_reason(gzip.compress(CSV) + rest) == "gzip-unreadable"


@pytest.mark.parametrize("rest", [b"twelve bytes", b"PK\x03\x04 and more", CSV])
def test_bytes_behind_a_gzip_stream(rest: bytes) -> None:
    assert _gzip_reason(gzip.compress(CSV) + rest) == "gzip-trailing"


def test_gzip_beyond_the_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "RATIO_FREE_BYTES", 100_000)
    assert _gzip_reason(gzip.compress(bytes(1_000_000))) == "gzip-bomb"
    assert _gzip_reason(gzip.compress(bytes(60_000)) + gzip.compress(bytes(60_000))) == "gzip-bomb"
    assert unpack(gzip.compress(bytes(90_000)), "x", "gz") == bytes(90_000)
    assert _reason(gzip.compress(CSV), "gz", len(CSV) - 1) == "gzip-bomb"


def test_a_file_without_container_is_bounded_too() -> None:
    assert unpack(CSV, "x", "plain") == CSV
    assert _reason(CSV, "plain", len(CSV) - 1) == "file-too-large"


@pytest.mark.parametrize("text", [b"", b"\n", b"a", b"a\nbc\n\nd", b"a\n" * 9, b"no line at all"])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_pieces_are_cut_at_the_ends_of_lines(text: bytes, size: int) -> None:
    pieces = list(cut_lines(text[start : start + size] for start in range(0, len(text), size)))
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert all(pieces)


def test_a_member_that_holds_more_or_less_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for change in (-1, 1):
            data = bytearray(zip_of(("x.csv", CSV), method=method))
            struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, len(CSV) + change)
            assert _reason(bytes(data)) == "zip-unreadable"


def test_bytes_before_the_zip_do_not_move_its_member() -> None:
    assert unpack(b"#!/bin/sh\n" + zip_of(("x.csv", CSV)), "x") == CSV


@pytest.mark.parametrize(
    ("name", "kind"), [("a.zip", "zip"), ("a.csv.gz", "gz"), ("A.GZ", "gz"), ("a.csv", "plain"), ("a", "plain")]
)
def test_the_key_says_what_the_container_is(name: str, kind: str) -> None:
    assert replace(kline_file(b""), key=f"folder.zip/{name}").container == kind


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".zip"])
def test_the_same_rows_in_every_container(suffix: str) -> None:
    for type_ in SAMPLE_TYPES:
        if type_.header is not None:
            sample = replace(make_sample(type_, 5), suffix=suffix)
            assert check(sample).rows_accepted == 5


def test_a_defective_archive_goes_through_the_stages_as_a_batch_without_rows() -> None:
    batch = validate(parse_archive(b"no zip", kline_file(b"no zip")))
    assert batch.defect is not None
    assert (batch.defect.reason, batch.rows_in, batch.rows_accepted) == ("zip-unreadable", 0, 0)
