"""Published checksum files, with all that has been seen in them."""

from __future__ import annotations

import pytest

from lakehouse_sdk.archives import Checksum, parse_checksum
from lakehouse_sdk.errors import IntegrityError

KEY = "data/spot/monthly/aggTrades/BNBBTC/BNBBTC-aggTrades-2018-01.zip"
NAME = "BNBBTC-aggTrades-2018-01.zip"
DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "content",
    [
        f"{DIGEST}  {NAME}\n",
        f"{DIGEST}  {NAME}",
        f"{DIGEST.upper()}  {NAME}\n",
        f"{DIGEST} *{NAME}\n",
        f"\ufeff{DIGEST}\t{NAME} \r\n\r\n",
    ],
    ids=["published", "no line feed", "upper case", "binary mode", "BOM, tab, CRLF"],
)
def test_the_digest_is_read_in_lower_case(content: str) -> None:
    assert parse_checksum(content.encode(), KEY) == Checksum(DIGEST, content.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        DIGEST.encode(),
        f"{DIGEST[:-1]}  {NAME}\n".encode(),
        f"{DIGEST}0  {NAME}\n".encode(),
        f"{DIGEST[:-1]}g  {NAME}\n".encode(),
        f"{DIGEST}  {NAME}\n{DIGEST}  {NAME}\n".encode(),
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b"\xff\xfe\x00",
    ],
    ids=["empty", "blank", "no name", "63 digits", "65 digits", "no hex", "two lines", "HTML", "binary"],
)
def test_anything_else_is_refused_with_the_key(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"BNBBTC-aggTrades-2018-01\.zip is not one line"):
        parse_checksum(content, KEY)


@pytest.mark.parametrize("name", ["BNBBTC-aggTrades-2018-02.zip", NAME.lower(), f"./{NAME}", f"{NAME}.CHECKSUM"])
def test_the_checksum_of_another_file_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(IntegrityError, match=name):
        parse_checksum(f"{DIGEST}  {name}\n".encode(), KEY)


def test_a_huge_page_is_shown_by_its_start_only() -> None:
    with pytest.raises(IntegrityError) as caught:
        parse_checksum(b"<html>" * 10_000, KEY)
    assert len(str(caught.value)) < 400
