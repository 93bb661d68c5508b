"""Signatures, against botocore's own signer."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.storage.signing import Signer, encode_header

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NOW = time.struct_time((2026, 11, 20, 3, 4, 5, 4, 324, 0))
_NAMES = st.sampled_from(["content-type", "x-amz-meta-a", "x-amz-meta-B-c", "if-match", "range", "x-amz-copy-source"])
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def sign_with_botocore(monkeypatch, method, host, path, query, headers, token):
    request = AWSRequest(method, f"http://{host}{path}", headers=dict(headers), params=dict(query))
    request.context["payload_signing_enabled"] = True
    request.headers["X-Amz-Content-SHA256"] = EMPTY
    now = datetime(*NOW[:6])  # noqa: DTZ001 (as botocore's own)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: now, raising=False)
    S3SigV4Auth(Credentials("access", "secret", token or None), "s3", "eu-west-1").add_auth(request)
    return request.headers["Authorization"]


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    path=st.sampled_from(["/", "/bucket", "/bucket/a/b", "/bucket/a%20b%2B%25", "/bucket/%C3%BC//x~y"]),
    query=st.dictionaries(st.sampled_from(["prefix", "uploads", "partNumber", "uploadId", "x"]), _VALUES, max_size=4),
    headers=st.dictionaries(_NAMES, _VALUES, max_size=4),
    token=st.sampled_from(["", "a-token=="]),
)
def test_the_signature_is_botocores(method, path, query, headers, token):
    from urllib.parse import quote, urlencode

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("lakehouse_sdk.storage.signing.time.gmtime", lambda: NOW)
        sent = urlencode(sorted(query.items()), quote_via=quote, safe="~")
        ours = Signer("access", "secret", "eu-west-1", token).sign(method, "s3.test:9000", path, sent, headers, EMPTY)
        assert ours["authorization"] == sign_with_botocore(monkeypatch, method, "s3.test:9000", path, query, headers, token)


def test_the_key_of_a_day_is_not_used_on_the_next(monkeypatch):
    signer, signatures = Signer("access", "secret", "us-east-1"), []
    for now in (NOW, time.struct_time((2026, 11, 21, 3, 4, 5, 5, 325, 0)), NOW):
        monkeypatch.setattr("lakehouse_sdk.storage.signing.time.gmtime", lambda now=now: now)
        signatures.append(signer.sign("GET", "h", "/", "", {}, EMPTY)["authorization"])
    assert signatures[0] == signatures[2] != signatures[1]
    assert "/20261121/" in signatures[1]


@pytest.mark.parametrize(("value", "sent"), [("plain", b"plain"), ("caf\u00e9", b"caf\xe9"), ("日本", "日本".encode())])
def test_a_header_goes_out_in_bytes_that_latin_1_spells(value, sent):
    assert encode_header(value).encode("latin-1") == sent
