"""The catalogue as Apache Spark opens it itself: Iceberg's JDBC catalogue on the same database, or the same REST server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_sdk.config.database import is_web_address, parse_database_uri

if TYPE_CHECKING:
    from lakehouse_sdk.config.profiles import S3Profile
    from lakehouse_sdk.config.settings import Settings


def to_spark(settings: Settings, server: S3Profile) -> dict[str, str]:
    """Properties below `spark.sql.catalog.<catalog.name>`; Spark must call the catalogue as the settings do.

    Raises:
        ConfigurationError: `catalog.uri` is not set or unusable, or the credentials are missing.
    """
    server.check_can_tell(
        "Spark",
        {"encryption", "customer_key"},
        "Give certificates and proxies to its JVM (-Djavax.net.ssl.…, -Dhttps.proxyHost).",
    )
    options = {
        **(_rest(settings) if is_web_address(settings.catalog.uri) else _jdbc(settings)),
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": server.resolved_endpoint_url,
        "s3.path-style-access": str(server.addressing_style != "virtual").lower(),
        "client.region": server.region,
    }
    if server.encryption:
        options["s3.sse.type"] = {"AES256": "s3", "aws:kms": "kms", "SSE-C": "custom"}[server.encryption]
        if server.kms_key_id:
            options["s3.sse.key"] = server.kms_key_id
        if headers := server.customer_headers():
            options["s3.sse.key"] = headers["x-amz-server-side-encryption-customer-key"]
            options["s3.sse.md5"] = headers["x-amz-server-side-encryption-customer-key-md5"]
    if not server.anonymous:
        options["s3.access-key-id"], options["s3.secret-access-key"] = server.credentials()
        if server.session_token:
            options["s3.session-token"] = server.session_token.get_secret_value()
    return options


def _rest(settings: Settings) -> dict[str, str]:
    catalog = settings.catalog
    secrets = {"token": catalog.token, "credential": catalog.credential}
    given = {name: value.get_secret_value() for name, value in secrets.items() if value is not None}
    warehouse = {"warehouse": catalog.warehouse} if catalog.warehouse else {}
    return {"type": "rest", "uri": catalog.uri or "", **warehouse, **given}


def _jdbc(settings: Settings) -> dict[str, str]:
    uri = parse_database_uri(settings.catalog.uri)
    options = {
        "type": "jdbc",
        "uri": f"jdbc:sqlite:{uri.database}",
        "jdbc.init-catalog-tables": "false",
        "warehouse": f"s3://{settings.lake.bucket}/{settings.lake.warehouse_prefix.strip('/')}",
    }
    if uri.get_backend_name() != "sqlite":
        port = f":{uri.port}" if uri.port else ""
        options["uri"] = f"jdbc:{uri.get_backend_name()}://{uri.host}{port}/{uri.database}"
        options |= {"jdbc.user": uri.username} if uri.username else {}
        options |= {"jdbc.password": str(uri.password)} if uri.password else {}
    return options
