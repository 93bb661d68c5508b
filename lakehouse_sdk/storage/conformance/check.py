"""All probes, one after another."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import LakehouseError, NotFoundError
from lakehouse_sdk.storage.client import S3Client
from lakehouse_sdk.storage.conformance import keys, promises
from lakehouse_sdk.storage.conformance.bench import Bench, try_probe
from lakehouse_sdk.storage.conformance.report import ConformanceReport

PROBES = (*keys.PROBES, *promises.PROBES)


def check_server(profile: S3Profile, bucket: str | None = None) -> ConformanceReport:
    """Try a server: about a hundred requests and 20 MiB, in a few seconds; everything it wrote is removed.

    Args:
        profile: The server and its credentials.
        bucket: Where to work, below a prefix of its own; None for a bucket that is made and removed.

    Raises:
        ConnectError, AccessError: The server cannot be used at all.

    Example:
        >>> check_server(lake.settings.storage).holds("conditional-put")  # doctest: +SKIP
        True
    """
    started = time.perf_counter()
    with S3Client(profile) as client:
        if bucket is not None and not client.bucket_exists(bucket):
            raise NotFoundError(
                f"There is no bucket {bucket!r} at {client.profile.resolved_endpoint_url}.", hint="Name another."
            )
        bench = Bench(profile, client, bucket or f"conformance-{uuid.uuid4().hex[:12]}")
        if bucket is None:
            client.ensure_bucket(bench.bucket)
        try:
            server = client.get_server_name(bench.bucket)
            results = tuple(try_probe(probe, bench) for probe in PROBES)
        finally:
            bench.clear()
            if bucket is None:
                with suppress(LakehouseError):
                    client.delete_bucket(bench.bucket)
    return ConformanceReport(profile.resolved_endpoint_url, server, results, time.perf_counter() - started)


def list_probes() -> list[str]:
    """Names of all probes, in their order."""
    return [probe.name for probe in PROBES]
