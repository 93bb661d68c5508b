"""The zip around a file: one good member is read, everything else has a reason."""

from __future__ import annotations

import struct
import zipfile

import pytest
from table_archives import csv_of, kline, kline_file, zip_of

from lakehouse_sdk.tables import container, parse_archive, validate
from lakehouse_sdk.tables.container import ArchiveDefect, unpack

CSV = csv_of(kline(i) for i in range(50))


def _reason(data: bytes) -> str:
    result = unpack(data, "x")
    assert isinstance(result, ArchiveDefect)
    assert result.detail
    return result.reason


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


def test_a_member_beyond_the_cap_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_CSV_BYTES", len(CSV) - 1)
    assert _reason(zip_of(("x.csv", CSV))) == "zip-bomb"


def test_a_large_member_that_shrinks_too_well_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "RATIO_FREE_BYTES", 100_000)
    assert _reason(zip_of(("x.csv", bytes(1_000_000)))) == "zip-bomb"
    assert unpack(zip_of(("x.csv", bytes(90_000))), "x") == bytes(90_000), "a small one is no danger, however well it packs"


def test_a_declared_size_that_is_too_small_does_not_smuggle_bytes_past_the_cap() -> None:
    data = bytearray(zip_of(("x.csv", CSV)))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    assert _reason(bytes(data)) == "zip-unreadable"


def test_a_defective_archive_goes_through_the_stages_as_a_batch_without_rows() -> None:
    batch = validate(parse_archive(b"no zip", kline_file(b"no zip")))
    assert batch.defect is not None
    assert (batch.defect.reason, batch.rows_in, batch.rows_accepted) == ("zip-unreadable", 0, 0)
