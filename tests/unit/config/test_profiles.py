"""One credential object, spelled for each client."""

from __future__ import annotations

import pytest

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConfigurationError

PLAIN = S3Profile(endpoint_url="http://minio:9000/", access_key="the-key", secret_key="the-secret", region="eu-west-1")
FULL = S3Profile(
    endpoint_url="https://s3.example",
    access_key="the-key",
    secret_key="the-secret",
    session_token="the-token",
    addressing_style="virtual",
)
ANONYMOUS = S3Profile(endpoint_url="https://s3.example", anonymous=True)


class TestEndpoint:
    def test_default_is_aws_in_the_region(self) -> None:
        profile = S3Profile(region="eu-west-1")
        assert profile.resolved_endpoint_url == "https://s3.eu-west-1.amazonaws.com"
        assert profile.secure

    def test_none_said_outright_is_the_default_too(self) -> None:
        assert S3Profile(endpoint_url=None).resolved_endpoint_url == "https://s3.us-east-1.amazonaws.com"

    def test_a_trailing_slash_is_dropped(self) -> None:
        assert PLAIN.resolved_endpoint_url == "http://minio:9000"
        assert not PLAIN.secure

    def test_same_server_means_same_endpoint_and_same_credentials(self) -> None:
        assert PLAIN.sees_same_server_as(PLAIN.model_copy())
        assert not PLAIN.sees_same_server_as(PLAIN.model_copy(update={"access_key": FULL.secret_key}))
        assert not PLAIN.sees_same_server_as(ANONYMOUS)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's environment says of connections counts, too."""
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("missing", ["access_key", "secret_key"])
def test_a_missing_key_says_which_and_where_to_set_it(missing: str) -> None:
    profile = PLAIN.model_copy(update={missing: None})
    for use in (profile.credentials, profile.to_fsspec, profile.to_s5cmd_env, profile.to_object_store, profile.to_pyarrow):
        with pytest.raises(
            ConfigurationError, match=rf"no {missing} for http://minio:9000.*LAKEHOUSE_STORAGE__{missing.upper()}"
        ):
            use()


class TestFsspec:
    """Arguments of `s3fs.S3FileSystem`."""

    def test_connection(self) -> None:
        options = PLAIN.to_fsspec()
        assert (options["endpoint_url"], options["key"], options["secret"]) == ("http://minio:9000", "the-key", "the-secret")
        assert options["client_kwargs"] == {"region_name": "eu-west-1", "verify": True}
        assert "token" not in options
        assert FULL.to_fsspec()["token"] == "the-token"
        assert ANONYMOUS.to_fsspec()["anon"]
        assert "key" not in ANONYMOUS.to_fsspec()

    @pytest.mark.parametrize("profile", [PLAIN, FULL, ANONYMOUS])
    def test_checksums_only_when_the_request_requires_one(self, profile: S3Profile) -> None:
        """botocore 1.36 began to send checksums with every request, which many S3-compatible servers refuse (s3fs#931).

        Looks redundant with a server that accepts them, and was removed as redundant elsewhere: keep it.
        """
        config = profile.to_fsspec()["config_kwargs"]
        assert config["request_checksum_calculation"] == "when_required"
        assert config["response_checksum_validation"] == "when_required"
        assert config["s3"] == {"addressing_style": profile.addressing_style}


def test_s5cmd_gets_secrets_by_environment_and_never_asks_the_metadata_service() -> None:
    env = FULL.to_s5cmd_env()
    assert env == {
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "S3_ENDPOINT_URL": "https://s3.example",
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "AWS_SESSION_TOKEN": "the-token",
    }
    assert not [name for name in ANONYMOUS.to_s5cmd_env() if "KEY" in name]
    assert "AWS_SESSION_TOKEN" not in PLAIN.to_s5cmd_env()


def test_pyiceberg() -> None:
    assert PLAIN.to_pyiceberg() == {
        "s3.endpoint": "http://minio:9000",
        "s3.region": "eu-west-1",
        "s3.force-virtual-addressing": "false",
        "s3.connect-timeout": "5.0",
        "s3.request-timeout": "60.0",
        "s3.access-key-id": "the-key",
        "s3.secret-access-key": "the-secret",
    }
    assert FULL.to_pyiceberg()["s3.session-token"] == "the-token"
    assert ANONYMOUS.to_pyiceberg()["s3.anonymous"] == "true"


def test_object_store_family() -> None:
    assert PLAIN.to_object_store() == {
        "aws_endpoint_url": "http://minio:9000",
        "aws_endpoint_url_s3": "http://minio:9000",
        "aws_region": "eu-west-1",
        "aws_allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
        "aws_skip_signature": "false",
        "aws_access_key_id": "the-key",
        "aws_secret_access_key": "the-secret",
        "aws_session_token": "",
        "connect_timeout": "5.0 seconds",
        "read_timeout": "60.0 seconds",
        "proxy_url": "http://127.0.0.1:9",
        "proxy_excludes": "*,0.0.0.0/0,::/0",
    }
    assert FULL.to_object_store()["aws_session_token"] == "the-token"
    assert FULL.to_object_store()["aws_allow_http"] == "false"
    assert ANONYMOUS.to_object_store()["aws_skip_signature"] == "true"


def test_duckdb_wants_the_endpoint_without_its_scheme() -> None:
    """Its httpfs extension is downloaded from the network; these are the fields that its documentation names."""
    assert PLAIN.to_duckdb() == {
        "endpoint": "minio:9000",
        "region": "eu-west-1",
        "url_style": "path",
        "use_ssl": False,
        "key_id": "the-key",
        "secret": "the-secret",
    }
    assert FULL.to_duckdb()["url_style"] == "vhost"
    assert FULL.to_duckdb()["use_ssl"] is True
    assert FULL.to_duckdb()["session_token"] == "the-token"
    assert set(ANONYMOUS.to_duckdb()) == {"endpoint", "region", "url_style", "use_ssl"}


def test_pyarrow() -> None:
    assert PLAIN.to_pyarrow() == {
        "endpoint_override": "minio:9000",
        "scheme": "http",
        "region": "eu-west-1",
        "force_virtual_addressing": False,
        "connect_timeout": 5.0,
        "request_timeout": 60.0,
        "access_key": "the-key",
        "secret_key": "the-secret",
    }
    assert FULL.to_pyarrow()["session_token"] == "the-token"
    assert ANONYMOUS.to_pyarrow()["anonymous"] is True
