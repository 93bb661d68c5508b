"""Each client reaches the server of the profile, as the profile says, whatever the environment says: one matrix."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore.store
import polars as pl
import pyarrow.fs
import pytest
import s3fs
from pyiceberg.io import load_file_io

from lakehouse_sdk.config import S3Profile, load_settings, storage_options
from lakehouse_sdk.errors import ConfigurationError, ConnectError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables.iceberg.file_io import open_arrow_filesystem
from lakehouse_sdk.transfer.runners.s5cmd import find_s5cmd
from lakehouse_sdk.transfer.runners.s5cmd.process import S5cmdProcess
from tests.support.stand_in import BODY, Authority, ForwardProxy, StandIn, make_authority

KEYS = {"access_key": "our-key", "secret_key": "our-secret-key", "region": "eu-north-1"}


def by_own_requests(profile: S3Profile) -> bytes:
    with S3Client(profile) as client:
        return client.get_bytes("bucket", "key.csv")


def by_the_filesystem(profile: S3Profile) -> bytes:
    fs = LakehouseFileSystem(load_settings(storage=profile), skip_instance_cache=True)
    return bytes(fs.cat_file("bucket/key.csv"))


def by_s3fs(profile: S3Profile) -> bytes:
    fs = s3fs.S3FileSystem(**storage_options(load_settings(storage=profile), "s3fs"), skip_instance_cache=True)
    return bytes(fs.cat_file("bucket/key.csv"))


def by_s5cmd(profile: S3Profile, tmp_path: Path) -> bytes:
    program = find_s5cmd()
    assert program is not None
    process = S5cmdProcess(program, profile, workers=1, retries=0)
    process.feed(f"cp s3://bucket/key.csv {tmp_path}/copy".encode())
    process.finish()
    said = []
    while not process.ended:
        said += process.receive(0.2)
    process.kill()
    copy = tmp_path / "copy"
    assert copy.exists(), said
    return copy.read_bytes()


def by_pyarrow(profile: S3Profile) -> bytes:
    fs = pyarrow.fs.S3FileSystem(**storage_options(load_settings(storage=profile), "pyarrow"))
    return bytes(fs.open_input_stream("bucket/key.csv").read())


def by_the_tables(profile: S3Profile) -> bytes:
    """Which DuckDB reads through, too: it is handed what Arrow has read."""
    return bytes(open_arrow_filesystem(profile).open_input_stream("bucket/key.csv").read())


def by_pyiceberg(profile: S3Profile) -> bytes:
    io = load_file_io(dict(storage_options(load_settings(storage=profile), "pyiceberg")), "s3://bucket/")
    with io.new_input("s3://bucket/key.csv").open() as stream:
        return bytes(stream.read())


def by_polars(profile: S3Profile) -> bytes:
    options = dict(storage_options(load_settings(storage=profile), "polars"))
    return pl.scan_csv("s3://bucket/key.csv", storage_options=options).collect().write_csv().encode()


def by_obstore(profile: S3Profile) -> bytes:
    options = dict(storage_options(load_settings(storage=profile), "obstore"))
    return bytes(obstore.store.S3Store("bucket", config=options).get("key.csv").bytes())  # type: ignore[arg-type]


Read = Callable[[S3Profile], bytes]
EVERYBODY = {
    "own": by_own_requests,
    "fs": by_the_filesystem,
    "s3fs": by_s3fs,
    "s5cmd": by_s5cmd,
    "pyarrow": by_pyarrow,
    "tables": by_the_tables,
    "pyiceberg": by_pyiceberg,
    "polars": by_polars,
    "obstore": by_obstore,
}


@pytest.fixture(params=EVERYBODY)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Read]:
    read = EVERYBODY[request.param]
    if read is by_s5cmd:
        return "s5cmd", lambda profile: by_s5cmd(profile, tmp_path)
    return request.param, read  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def plain() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


def test_nothing_of_a_foreign_environment_counts(
    client: tuple[str, Read], plain: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody else's server, profile, token, region, proxy and a broken file; each key of ours is said explicitly."""
    (tmp_path / "broken").write_text("[default\nuse_accelerate_endpoint = yes\n")
    with StandIn() as trap:
        stray = {
            "AWS_ENDPOINT_URL": trap.url,
            "AWS_ENDPOINT_URL_S3": trap.url,
            "AWS_PROFILE": "nobody",
            "AWS_CONFIG_FILE": str(tmp_path / "broken"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "broken"),
            "AWS_ACCESS_KEY_ID": "stray-key",
            "AWS_SECRET_ACCESS_KEY": "stray-secret",
            "AWS_SESSION_TOKEN": "stray-token",
            "AWS_REGION": "stray-region-1",
            "AWS_DEFAULT_REGION": "stray-region-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "S3_ENDPOINT_URL": trap.url,
            "HTTP_PROXY": trap.url,
            "http_proxy": trap.url,
            "ALL_PROXY": trap.url,
        }
        for name, value in stray.items():
            monkeypatch.setenv(name, value)
        assert client[1](S3Profile(endpoint_url=plain.url, **KEYS)) == BODY
        assert trap.requests == []
    assert plain.requests
    for request in plain.requests:
        assert "our-key/" in request.headers["authorization"]
        assert "/eu-north-1/s3/" in request.headers["authorization"]
        assert "stray" not in str(request.headers)


@pytest.mark.parametrize("said_by", ["ca_bundle", "SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_a_server_is_checked_against_the_bundle_whoever_names_it(
    client: tuple[str, Read], authority: Authority, monkeypatch: pytest.MonkeyPatch, said_by: str
) -> None:
    name, read = client
    with StandIn(authority.make_tls()) as server:
        profile = S3Profile(endpoint_url=server.url, **KEYS)
        if said_by == "ca_bundle":
            profile = profile.model_copy(update={"ca_bundle": authority.bundle})
        else:
            monkeypatch.setenv(said_by, str(authority.bundle))
        can = {"own", "fs", "s3fs", "s5cmd", "pyarrow", "tables", "pyiceberg"}
        if said_by == "SSL_CERT_FILE":
            can |= {"polars", "obstore"}
        if name in can:
            assert read(profile) == BODY
        else:
            with pytest.raises(ConfigurationError, match="cannot be told ca_bundle"):
                read(profile)
            assert server.requests == []


def test_a_server_with_a_certificate_of_nobody_s_is_not_asked(client: tuple[str, Read], authority: Authority) -> None:
    with StandIn(authority.make_tls()) as server:
        with pytest.raises((OSError, AssertionError, pl.exceptions.PolarsError, obstore.exceptions.BaseError)):
            client[1](S3Profile(endpoint_url=server.url, **KEYS))
        assert server.requests == []


@pytest.mark.parametrize("said_by", ["proxy", "HTTP_PROXY"])
def test_a_proxy_is_used_by_all_whoever_names_it(
    client: tuple[str, Read], plain: StandIn, monkeypatch: pytest.MonkeyPatch, said_by: str
) -> None:
    """The name of the server exists for the proxy only."""
    with ForwardProxy(plain) as proxy:
        profile = S3Profile(endpoint_url="http://storage.invalid", **KEYS)
        if said_by == "proxy":
            profile = S3Profile(endpoint_url="http://storage.invalid", proxy=proxy.url, **KEYS)  # type: ignore[arg-type]
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        else:
            monkeypatch.setenv(said_by, proxy.url)
        assert client[1](profile) == BODY
        assert proxy.seen
        assert {credentials for _, credentials in proxy.seen} == {proxy.credentials}
        assert "let-me-out" not in repr(profile)


def test_tls_goes_through_the_proxy_as_a_tunnel(client: tuple[str, Read], authority: Authority) -> None:
    name, read = client
    with StandIn(authority.make_tls()) as server, ForwardProxy(server) as proxy:
        profile = S3Profile(
            endpoint_url="https://storage.invalid",
            proxy=proxy.url,  # type: ignore[arg-type]
            ca_bundle=authority.bundle,
            **KEYS,
        )
        if name in {"own", "fs", "s3fs", "s5cmd", "pyarrow", "tables", "pyiceberg"}:
            assert read(profile) == BODY
            assert {target for target, _ in proxy.seen} == {"storage.invalid:443"}
        else:
            with pytest.raises(ConfigurationError):
                read(profile)


def test_a_client_certificate_is_shown_or_the_client_refused(
    client: tuple[str, Read], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    name, read = client
    with StandIn(authority.make_tls(asks_clients=True)) as server:
        profile = S3Profile(endpoint_url=server.url, client_cert=authority.client, **KEYS)
        if name in {"own", "fs", "s3fs", "tables", "pyiceberg"}:
            assert read(profile) == BODY
        elif name != "s5cmd":  # which the runner hands no such profile
            with pytest.raises(ConfigurationError, match="client_cert"):
                read(profile)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_older_tls_than_the_profile_allows_is_not_spoken(
    client: tuple[str, Read], authority: Authority, newest: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    name, read = client
    with StandIn(authority.make_tls(newest=newest)) as server:
        profile = S3Profile(endpoint_url=server.url, min_tls="1.3", **KEYS)
        if name in {"own", "fs", "s3fs", "tables", "pyiceberg"} and newest is ssl.TLSVersion.TLSv1_3:
            assert read(profile) == BODY
        elif name != "s5cmd":
            with pytest.raises((ConfigurationError, ConnectError, OSError)):
                read(profile)
            assert server.requests == []
