"""One S3 credential object, and its projection for every client that brings its own spelling."""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from lakehouse_sdk.config.encryption import (
    CUSTOMER_KEY_BYTES,
    Encryption,
    botocore_arguments,
    customer_headers,
    server_headers,
)
from lakehouse_sdk.config.environment import find_ca_bundle, find_proxy
from lakehouse_sdk.config.masking import Secret, mask_in_logs
from lakehouse_sdk.errors import ConfigurationError

AWS_ENDPOINT = "https://s3.{region}.amazonaws.com"
_BY_FSSPEC = "Read and write lakehouse:// addresses instead (`lake.fs`, storage_options('fsspec')): they know all of it."
_NOT_WHO_AND_WHERE = {
    "ca_bundle", "min_tls", "proxy", "connect_timeout_s", "read_timeout_s", "encryption", "kms_key_id",
}  # fmt: skip
"""What two profiles may differ in though one request can see the objects of both."""


class S3Profile(BaseModel):
    """One S3 server with one set of credentials; secrets are masked in every repr.

    All that a client needs to connect is here, and each client gets the same of it: what a projection leaves out, its client
    would take from the environment, from somebody else's server for example. A client that cannot be told something that is
    set here is refused with a `ConfigurationError`, never started without it.

    Attributes:
        endpoint_url: Address of the server, `http://host:port` or `https://…`; None for AWS S3 in `region`.
        access_key: Access key id; None with `anonymous`.
        secret_key: Secret access key; None with `anonymous`.
        session_token: Token of temporary credentials.
        region: Region that requests are signed for. MinIO's default is `us-east-1`.
        addressing_style: `path` puts the bucket into the path and works everywhere; `virtual` puts it into the host name, and
            breaks TLS for bucket names with dots.
        anonymous: True sends unsigned requests, for public buckets.
        requester_pays: True tells the server that these credentials' owner pays for what is read from others' buckets that
            ask for it; without it they refuse.
        ca_bundle: File of the certificates (PEM) that the server's is checked against, instead of the system's; None:
            `AWS_CA_BUNDLE` or `SSL_CERT_FILE` where one is set, for all clients alike.
        client_cert: File with the certificate (PEM) by which this side shows who it is; None: without.
        client_key: File with its key; None: it is in the same file.
        min_tls: Oldest TLS that is spoken.
        proxy: Proxy of all requests, `http://[user:password@]host:port`; empty for none; None: the one that `HTTPS_PROXY`,
            `HTTP_PROXY` and `NO_PROXY` name, never for a loopback address.
        connect_timeout_s: Seconds to wait for a connection.
        read_timeout_s: Seconds to wait for the next bytes of an answer.
        encryption: How the server encrypts what is written: `AES256` with its own key (SSE-S3), `aws:kms` with one of its
            KMS, `SSE-C` with `customer_key`. Empty: as the bucket's default says, and a copy inside the server keeps what its
            source has.
        kms_key_id: Key for `aws:kms`; None: the server's default one.
        customer_key: Key for `SSE-C`, 32 bytes in base64; it is sent with each request, so only to https.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: str | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None
    region: str = "us-east-1"
    addressing_style: Literal["path", "virtual"] = "path"
    anonymous: bool = False
    requester_pays: bool = False
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    min_tls: Literal["1.2", "1.3"] = "1.2"
    proxy: SecretStr | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    read_timeout_s: float = Field(default=60.0, gt=0)
    encryption: Encryption = ""
    kms_key_id: str | None = None
    customer_key: SecretStr | None = None

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.username or parts.password:
            raise ValueError("an endpoint holds no credentials; put them into access_key and secret_key")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
            shown = "this" if "@" in value else repr(value)  # a password may hide in what is no address
            raise ValueError(f"{shown} is not an endpoint; write http://host:port or https://host, without a path")
        return value.rstrip("/")

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        try:
            usable = parts is None or (parts.scheme == "http" and parts.hostname and parts.port and not parts.path.strip("/"))
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("this is no proxy; write http://host:port or http://user:password@host:port")
        return value

    @field_validator("customer_key")
    @classmethod
    def _check_customer_key(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            fits = value is None or len(base64.b64decode(value.get_secret_value(), validate=True)) == CUSTOMER_KEY_BYTES
        except binascii.Error:
            fits = False
        if not fits:
            raise ValueError("this is no key for SSE-C; write 32 random bytes in base64 (`openssl rand -base64 32`)")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.encryption == "SSE-C") != (self.customer_key is not None):
            raise ValueError('encryption = "SSE-C" and customer_key go together')
        if self.customer_key is not None and not self.secure:
            raise ValueError("SSE-C sends its key with each request, so the endpoint must be https")
        if self.kms_key_id is not None and self.encryption != "aws:kms":
            raise ValueError('kms_key_id is for encryption = "aws:kms"')
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key is for client_cert, which is not set")
        return self

    @property
    def resolved_endpoint_url(self) -> str:
        """`endpoint_url`, or that of AWS S3 in `region`."""
        return self.endpoint_url or AWS_ENDPOINT.format(region=self.region)

    @property
    def secure(self) -> bool:
        """True where the endpoint speaks TLS."""
        return self.resolved_endpoint_url.startswith("https:")

    @property
    def resolved_ca_bundle(self) -> Path | None:
        """`ca_bundle`, or the one that the environment names; None for the system's certificates, and without TLS."""
        return (self.ca_bundle or find_ca_bundle()) if self.secure else None

    @property
    def resolved_proxy(self) -> str:
        """`proxy`, or the one that the environment names for the endpoint; empty for none. It may hold a password."""
        return Secret(find_proxy(self.resolved_endpoint_url) if self.proxy is None else self.proxy.get_secret_value())

    @property
    def _customer_key(self) -> str:
        return Secret(self.customer_key.get_secret_value() if self.customer_key else "")

    @property
    def resolved_token(self) -> str:
        """`session_token`, empty without one; text in all but its repr."""
        return Secret(self.session_token.get_secret_value() if self.session_token else "")

    def encryption_headers(self) -> dict[str, str]:
        """Headers of a request that begins an object; empty without `encryption`."""
        return server_headers(self.encryption, self.kms_key_id) | self.customer_headers()

    def customer_headers(self, of: str = "") -> dict[str, str]:
        """Headers of each request for an object under SSE-C, empty with any other setting; `of` as in `customer_headers`."""
        return customer_headers(self._customer_key, of)

    def make_tls(self) -> ssl.SSLContext | None:
        """How TLS is spoken with the server; None without it.

        Raises:
            ConfigurationError: A file of certificates cannot be read.
        """
        if not self.secure:
            return None
        bundle = self.resolved_ca_bundle
        try:
            context = ssl.create_default_context(cafile=bundle)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("ca_bundle", bundle, error) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if self.min_tls == "1.3" else ssl.TLSVersion.TLSv1_2
        if self.client_cert is not None:
            try:
                context.load_cert_chain(self.client_cert, self.client_key)
            except (OSError, ssl.SSLError) as error:
                raise _unreadable("client_cert", self.client_cert, error) from error
        return context

    def credentials(self) -> tuple[str, str]:
        """Access key and secret key, for the projections and the signer; text in all but its repr.

        Raises:
            ConfigurationError: One of the two is missing and the profile is not anonymous.
        """
        if self.access_key is None or self.secret_key is None:
            missing = "access_key" if self.access_key is None else "secret_key"
            raise ConfigurationError(
                f"There is no {missing} for {self.resolved_endpoint_url}.",
                hint=f"Set storage.{missing} in lakehouse.toml or LAKEHOUSE_STORAGE__{missing.upper()} "
                f"(for a profile: LAKEHOUSE_PROFILES__<NAME>__{missing.upper()}), or start a local server: `lakehouse up`.",
            )
        return Secret(self.access_key.get_secret_value()), Secret(self.secret_key.get_secret_value())

    def sees_same_server_as(self, other: S3Profile) -> bool:
        """True where one request signed with this profile can read and write both: same endpoint, same credentials."""
        ours, theirs = (profile.model_dump(exclude=_NOT_WHO_AND_WHERE) for profile in (self, other))
        return ours == theirs

    def check_can_tell(self, client: str, known: Collection[str], hint: str) -> None:
        """Refuse a client that cannot be told something that is set.

        Args:
            client: Its name.
            known: Those of `ca_bundle`, `client_cert`, `min_tls`, `proxy`, `encryption` and `customer_key` that it can be told.
            hint: What to do instead.

        Raises:
            ConfigurationError: It names the setting.
        """
        if unknown := self.find_untold(known):
            raise ConfigurationError(f"{client} cannot be told {', '.join(unknown)}, which the profile sets.", hint=hint)

    def find_untold(self, known: Collection[str]) -> list[str]:
        """Of what a client may not know (as in `check_can_tell`), what is set and not in `known`."""
        used = {
            "ca_bundle": self.resolved_ca_bundle is not None,
            "client_cert": self.client_cert is not None,
            "min_tls": self.secure and self.min_tls != "1.2",
            "proxy": bool(self.resolved_proxy),
            "encryption": self.encryption in {"AES256", "aws:kms"},
            "customer_key": self.customer_key is not None,
        }
        return [name for name, is_set in used.items() if is_set and name not in known]

    def _told_by_environment(self) -> set[str]:
        """What clients on OpenSSL or its like ask of the environment themselves."""
        return {"ca_bundle"} if str(self.resolved_ca_bundle) == os.environ.get("SSL_CERT_FILE") else set()

    def to_fsspec(self) -> dict[str, Any]:
        """Arguments for `s3fs.S3FileSystem`, with the checksum settings that S3-compatible servers accept.

        botocore 1.36 began to send checksums that many servers refuse (s3fs#931); `when_required` restores what they know.

        Raises:
            ConfigurationError: Credentials are missing, or a file of certificates cannot be read.
        """
        from lakehouse_sdk.config.aws_session import ClosedSession, NewestTlsSession  # noqa: PLC0415 (loads botocore)

        proxy, bundle = self.resolved_proxy, self.resolved_ca_bundle
        config: dict[str, Any] = {
            "s3": {"addressing_style": self.addressing_style},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "connect_timeout": self.connect_timeout_s,
            "read_timeout": self.read_timeout_s,
            "proxies": {"http": proxy, "https": proxy} if proxy else {},  # without it botocore asks the environment
            # s3fs repeats most failures itself; botocore's default would take 7 s to say that nobody listens.
            "retries": {"mode": "standard", "total_max_attempts": 3},
        }
        if self.client_cert is not None:
            config["client_cert"] = (str(self.client_cert), str(self.client_key or self.client_cert))
        if self.secure and self.min_tls != "1.2":
            config["http_session_cls"] = NewestTlsSession
        options: dict[str, Any] = {
            "anon": self.anonymous,
            "endpoint_url": self.resolved_endpoint_url,
            "client_kwargs": {"region_name": self.region, "verify": str(bundle) if bundle else True},
            "config_kwargs": config,
            "session": ClosedSession(),
        }
        if self.encryption:
            options["s3_additional_kwargs"] = botocore_arguments(self.encryption, self.kms_key_id, self._customer_key)
        if self.requester_pays:
            options["requester_pays"] = True
        if not self.anonymous:
            config["signature_version"] = "s3v4"  # or signed addresses have the one that servers refuse
            options["key"], options["secret"] = self.credentials()
            if self.resolved_token:
                options["token"] = self.resolved_token
            mask_in_logs((options["secret"], self.resolved_token, self._customer_key))
        return options

    def to_s5cmd_env(self) -> dict[str, str]:
        """Environment for the s5cmd process; secrets travel here and never in argv.

        Region and metadata switch are set because s5cmd otherwise asks the EC2 metadata address for them.
        """
        env = {
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "S3_ENDPOINT_URL": self.resolved_endpoint_url,
        }
        if bundle := self.resolved_ca_bundle:
            env["AWS_CA_BUNDLE"] = env["SSL_CERT_FILE"] = str(bundle)
        if proxy := self.resolved_proxy:
            env["HTTP_PROXY"] = env["HTTPS_PROXY"] = proxy
        if not self.anonymous:
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = self.credentials()
            if self.resolved_token:
                env["AWS_SESSION_TOKEN"] = self.resolved_token
        return env

    def to_pyiceberg(self) -> dict[str, str]:
        """`s3.*` properties for a pyiceberg catalogue or FileIO; where they cannot say all, with a FileIO of ours that can.

        Raises:
            ConfigurationError: Credentials are missing.
        """
        options = {
            "s3.endpoint": self.resolved_endpoint_url,
            "s3.region": self.region,
            "s3.force-virtual-addressing": str(self.addressing_style == "virtual").lower(),
            "s3.connect-timeout": str(self.connect_timeout_s),
            "s3.request-timeout": str(self.read_timeout_s),
        }
        if proxy := self.resolved_proxy:
            options["s3.proxy-uri"] = proxy
        if self.find_untold({"proxy"}):
            options["py-io-impl"] = "lakehouse_sdk.tables.iceberg.file_io.ProfileFileIO"
            options["lakehouse.storage"] = self.to_json()
        if self.anonymous:
            options["s3.anonymous"] = "true"
        else:
            options["s3.access-key-id"], options["s3.secret-access-key"] = self.credentials()
            if self.resolved_token:
                options["s3.session-token"] = self.resolved_token
        return options

    def to_json(self) -> str:
        """All that is set, secrets too, as JSON text whose repr is masked; `model_validate_json` reads it."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        clear = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in fields.items()}
        return Secret(json.dumps(clear, default=str))

    def to_object_store(self) -> dict[str, str]:
        """`storage_options` of the Rust object_store family: polars, delta-rs, obstore.

        Each fact is said, also the absent ones: this family takes what it is not told from the environment, and a stranger's
        `AWS_ENDPOINT_URL_S3` would get the requests.

        Raises:
            ConfigurationError: Credentials are missing, or something is set that this family cannot be told.
        """
        known = {"proxy", "encryption", "customer_key"} | self._told_by_environment()
        self.check_can_tell("The object_store family", known, f"For certificates set SSL_CERT_FILE. {_BY_FSSPEC}")
        proxy = self.resolved_proxy
        options = {
            "aws_endpoint_url": self.resolved_endpoint_url,
            "aws_endpoint_url_s3": self.resolved_endpoint_url,
            "aws_region": self.region,
            "aws_allow_http": str(not self.secure).lower(),
            "aws_virtual_hosted_style_request": str(self.addressing_style == "virtual").lower(),
            "aws_skip_signature": str(self.anonymous).lower(),
            "connect_timeout": f"{self.connect_timeout_s} seconds",
            "read_timeout": f"{self.read_timeout_s} seconds",
            "proxy_url": proxy or "http://127.0.0.1:9",  # any, for no host: or it asks the environment
            "proxy_excludes": "" if proxy else "*,0.0.0.0/0,::/0",
        }
        if not self.anonymous:
            options["aws_access_key_id"], options["aws_secret_access_key"] = self.credentials()
            options["aws_session_token"] = self.resolved_token
        if self.encryption:
            options["aws_server_side_encryption"] = "sse-c" if self.encryption == "SSE-C" else self.encryption
        if self.kms_key_id:
            options["aws_sse_kms_key_id"] = self.kms_key_id
        if self.customer_key is not None:
            options["aws_sse_customer_key_base64"] = self._customer_key
        return options

    def to_duckdb(self) -> dict[str, str | bool]:
        """Fields of DuckDB's `CREATE SECRET (TYPE s3, …)`; they need its httpfs extension.

        Raises:
            ConfigurationError: Credentials are missing, or something is set that such a secret cannot hold.
        """
        self.check_can_tell(
            "A secret of DuckDB",
            self._told_by_environment(),
            "Read through the SDK instead: `lake.query`, or `scan.to_duckdb()`.",
        )
        options: dict[str, str | bool] = {
            "endpoint": self.resolved_endpoint_url.partition("://")[2],
            "region": self.region,
            "url_style": "vhost" if self.addressing_style == "virtual" else "path",
            "use_ssl": self.secure,
        }
        if not self.anonymous:
            options["key_id"], options["secret"] = self.credentials()
            if self.resolved_token:
                options["session_token"] = self.resolved_token
        return options

    def to_pyarrow(self) -> dict[str, Any]:
        """Arguments for `pyarrow.fs.S3FileSystem`.

        Raises:
            ConfigurationError: Credentials are missing, or something is set that pyarrow cannot be told.
        """
        self.check_can_tell("pyarrow", {"ca_bundle", "proxy"}, _BY_FSSPEC)
        options: dict[str, Any] = {
            "endpoint_override": self.resolved_endpoint_url.partition("://")[2],
            "scheme": "https" if self.secure else "http",
            "region": self.region,
            "force_virtual_addressing": self.addressing_style == "virtual",
            "connect_timeout": self.connect_timeout_s,
            "request_timeout": self.read_timeout_s,
        }
        if bundle := self.resolved_ca_bundle:
            options["tls_ca_file_path"] = str(bundle)
        if proxy := self.resolved_proxy:
            options["proxy_options"] = proxy
        if self.anonymous:
            options["anonymous"] = True
        else:
            options["access_key"], options["secret_key"] = self.credentials()
            if self.resolved_token:
                options["session_token"] = self.resolved_token
        return options


def _unreadable(setting: str, file: Path | None, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The certificates in {file} cannot be read: {error}.",
        hint=f"Correct {setting} of the profile (or AWS_CA_BUNDLE, SSL_CERT_FILE): a file in PEM.",
    )
