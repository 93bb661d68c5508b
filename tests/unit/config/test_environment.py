"""What the environment says of connections, the same for every client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse_sdk.config import S3Profile, load_settings, storage_options
from lakehouse_sdk.config.environment import find_ca_bundle, find_proxy, is_loopback
from lakehouse_sdk.errors import ConfigurationError

KEYS = {"access_key": "a", "secret_key": "b"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name in {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}:
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "url", "found"),
    [
        ({}, "https://s3.example", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://s3.example", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://s3.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://s3.example", ""),
        ({"HTTP_PROXY": "p:1"}, "http://s3.example", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://s3.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "s3.example"}, "https://s3.example:9000", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "s3.example:9000"}, "https://s3.example:9000", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, "https://s3.example", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://s3.example", ""),
        ({"HTTP_PROXY": "http://p:1"}, "http://127.0.0.1:9000", ""),
        ({"HTTP_PROXY": "http://p:1"}, "http://localhost:9000", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://[::1]:9000", ""),
    ],
)
def test_a_proxy(variables: dict[str, str], url: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(url) == found
    assert str(S3Profile(endpoint_url=url, **KEYS).resolved_proxy) == found
    assert str(S3Profile(endpoint_url=url, proxy="", **KEYS).resolved_proxy) == ""  # type: ignore[arg-type]


def test_a_bundle_counts_for_tls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_ca_bundle() is None
    monkeypatch.setenv("SSL_CERT_FILE", "/ssl")
    assert find_ca_bundle() == Path("/ssl")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/aws")
    assert find_ca_bundle() == Path("/aws")
    assert S3Profile(endpoint_url="http://h").resolved_ca_bundle is None
    assert S3Profile(endpoint_url="https://h").resolved_ca_bundle == Path("/aws")
    assert S3Profile(endpoint_url="https://h", ca_bundle=Path("/own")).resolved_ca_bundle == Path("/own")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example", "", "2001:db8::1"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("proxy", ["ftp://p:1", "p:1", "http://p", "http://p:1/path", "http://u:hush@p", "http://p:port"])
def test_what_is_no_proxy_is_refused_without_being_shown(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="this is no proxy") as told:
        load_settings(storage={"endpoint_url": "https://h", "proxy": proxy})
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("setting", ["ca_bundle", "client_cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_named(setting: str, content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    profile = S3Profile.model_validate({"endpoint_url": "https://h", setting: file})
    with pytest.raises(ConfigurationError, match=rf"file\.pem cannot be read.*{setting}"):
        profile.make_tls()


@pytest.mark.parametrize(
    ("client", "said", "told"),
    [
        ("pyarrow", {"encryption": "AES256"}, "encryption"),
        ("pyarrow", {"client_cert": "/c"}, "client_cert"),
        ("polars", {"min_tls": "1.3"}, "min_tls"),
        ("obstore", {"ca_bundle": "/c"}, "ca_bundle"),
        ("duckdb", {"proxy": "http://p:1"}, "proxy"),
        ("spark", {"client_cert": "/c", "client_key": "/k"}, "client_cert"),
    ],
)
def test_a_client_that_cannot_be_told_is_refused_by_name(client: str, said: dict[str, str], told: str) -> None:
    settings = load_settings(storage={"endpoint_url": "https://h", **KEYS, **said}, catalog={"uri": "sqlite:////tmp/none.db"})
    with pytest.raises(ConfigurationError, match=rf"cannot be told {told}, which the profile sets.*next|{told}"):
        storage_options(settings, client)


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="client_key is for client_cert"):
        load_settings(storage={"endpoint_url": "https://h", "client_key": "/k"})


def test_spark_is_told_of_encryption() -> None:
    storage = {"endpoint_url": "http://h", **KEYS, "encryption": "aws:kms", "kms_key_id": "k"}
    options = storage_options(load_settings(storage=storage, catalog={"uri": "sqlite:////tmp/none.db"}), "spark")
    assert (options["s3.sse.type"], options["s3.sse.key"]) == ("kms", "k")


def test_pyarrow_s_checksums_are_pinned_unless_the_user_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "AWS_REQUEST_CHECKSUM_CALCULATION"
    settings = load_settings(storage={"endpoint_url": "http://h", **KEYS})
    monkeypatch.setenv(name, "when_supported")
    storage_options(settings, "pyarrow")
    assert os.environ[name] == "when_supported"
    monkeypatch.delenv(name)
    storage_options(settings, "pyarrow")
    assert os.environ[name] == "when_required"
    monkeypatch.delenv(name)
