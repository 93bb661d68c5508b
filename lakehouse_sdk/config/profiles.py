"""One S3 credential object, and its projection for every client that brings its own spelling."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from lakehouse_sdk.errors import ConfigurationError

AWS_ENDPOINT = "https://s3.{region}.amazonaws.com"


class S3Profile(BaseModel):
    """One S3 server with one set of credentials; secrets are masked in every repr.

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

    @property
    def resolved_endpoint_url(self) -> str:
        """`endpoint_url`, or that of AWS S3 in `region`."""
        return self.endpoint_url or AWS_ENDPOINT.format(region=self.region)

    @property
    def secure(self) -> bool:
        """True where the endpoint speaks TLS."""
        return self.resolved_endpoint_url.startswith("https:")

    def credentials(self) -> tuple[str, str]:
        """Access key and secret key in clear, for the projections and the signer.

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
        return self.access_key.get_secret_value(), self.secret_key.get_secret_value()

    def sees_same_server_as(self, other: S3Profile) -> bool:
        """True where one request signed with this profile can read and write both: same endpoint, same credentials."""
        return self == other

    def to_fsspec(self) -> dict[str, Any]:
        """Arguments for `s3fs.S3FileSystem`, with the checksum settings that S3-compatible servers accept.

        botocore 1.36 began to send checksums that many servers refuse (s3fs#931); `when_required` restores what they know.
        """
        options: dict[str, Any] = {
            "anon": self.anonymous,
            "endpoint_url": self.resolved_endpoint_url,
            "client_kwargs": {"region_name": self.region},
            "config_kwargs": {
                "s3": {"addressing_style": self.addressing_style},
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
                # s3fs repeats most failures itself; botocore's default would take 7 s to say that nobody listens.
                "retries": {"mode": "standard", "total_max_attempts": 3},
            },
        }
        if self.requester_pays:
            options["requester_pays"] = True
        if not self.anonymous:
            options["config_kwargs"]["signature_version"] = "s3v4"  # or signed addresses have the one that servers refuse
            options["key"], options["secret"] = self.credentials()
            if self.session_token:
                options["token"] = self.session_token.get_secret_value()
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
        if not self.anonymous:
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = self.credentials()
            if self.session_token:
                env["AWS_SESSION_TOKEN"] = self.session_token.get_secret_value()
        return env

    def to_pyiceberg(self) -> dict[str, str]:
        """`s3.*` properties for a pyiceberg catalogue or FileIO."""
        options = {
            "s3.endpoint": self.resolved_endpoint_url,
            "s3.region": self.region,
            "s3.force-virtual-addressing": str(self.addressing_style == "virtual").lower(),
        }
        if self.anonymous:
            options["s3.anonymous"] = "true"
        else:
            options["s3.access-key-id"], options["s3.secret-access-key"] = self.credentials()
            if self.session_token:
                options["s3.session-token"] = self.session_token.get_secret_value()
        return options

    def to_object_store(self) -> dict[str, str]:
        """`storage_options` of the Rust object_store family: polars, delta-rs, obstore.

        Each fact is said, also the absent ones: this family takes what it is not told from the environment, and a stranger's
        `AWS_ENDPOINT_URL_S3` would get the requests.
        """
        options = {
            "aws_endpoint_url": self.resolved_endpoint_url,
            "aws_endpoint_url_s3": self.resolved_endpoint_url,
            "aws_region": self.region,
            "aws_allow_http": str(not self.secure).lower(),
            "aws_virtual_hosted_style_request": str(self.addressing_style == "virtual").lower(),
            "aws_skip_signature": str(self.anonymous).lower(),
        }
        if not self.anonymous:
            options["aws_access_key_id"], options["aws_secret_access_key"] = self.credentials()
            options["aws_session_token"] = self.session_token.get_secret_value() if self.session_token else ""
        return options

    def to_duckdb(self) -> dict[str, str | bool]:
        """Fields of DuckDB's `CREATE SECRET (TYPE s3, …)`; they need its httpfs extension."""
        options: dict[str, str | bool] = {
            "endpoint": self.resolved_endpoint_url.partition("://")[2],
            "region": self.region,
            "url_style": "vhost" if self.addressing_style == "virtual" else "path",
            "use_ssl": self.secure,
        }
        if not self.anonymous:
            options["key_id"], options["secret"] = self.credentials()
            if self.session_token:
                options["session_token"] = self.session_token.get_secret_value()
        return options

    def to_pyarrow(self) -> dict[str, Any]:
        """Arguments for `pyarrow.fs.S3FileSystem`."""
        options: dict[str, Any] = {
            "endpoint_override": self.resolved_endpoint_url.partition("://")[2],
            "scheme": "https" if self.secure else "http",
            "region": self.region,
            "force_virtual_addressing": self.addressing_style == "virtual",
        }
        if self.anonymous:
            options["anonymous"] = True
        else:
            options["access_key"], options["secret_key"] = self.credentials()
            if self.session_token:
                options["session_token"] = self.session_token.get_secret_value()
        return options
