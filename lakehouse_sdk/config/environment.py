"""What the environment says about connections, read once for all clients, so that each does the same.

What goes wrong otherwise: s3fs knows `AWS_CA_BUNDLE` and not `SSL_CERT_FILE`, OpenSSL the reverse; some go through a proxy
that the environment names and some past it. As in Go and curl a loopback address is never asked for through it.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

ARROW_CHECKSUMS = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
"""Arrow's S3 client takes these from the environment alone, when it is made. Without them it sends chunks with trailers, which
one server stored inside of Iceberg's metadata."""
_CA_BUNDLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


def find_ca_bundle() -> Path | None:
    """The file of certificates that the environment names: `AWS_CA_BUNDLE` before `SSL_CERT_FILE`; None for the system's."""
    return next((Path(os.environ[name]) for name in _CA_BUNDLES if os.environ.get(name)), None)


def find_proxy(url: str) -> str:
    """The proxy that the environment names for an address (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`); empty for none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies_environment()
    if is_loopback(host) or proxy_bypass_environment(parts.netloc, proxies) or proxy_bypass_environment(host, proxies):
        return ""
    found = proxies.get(parts.scheme) or proxies.get("all", "")
    return found if not found or "://" in found else f"http://{found}"


def is_loopback(host: str) -> bool:
    """True for this machine's own name and addresses."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
