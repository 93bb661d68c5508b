"""How much room a server has left, where it tells: MinIO's metrics; plain S3 has no such question."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import urllib.request
from dataclasses import dataclass

from lakehouse_sdk.config import S3Profile

_PATH = "/minio/v2/metrics/cluster"
_TIMEOUT_S = 5.0
_TOKEN_LIFE_S = 300
_LARGEST_ANSWER = 16 * 1024**2
_LINE = re.compile(r"^minio_cluster_capacity_usable_(?P<kind>free|total)_bytes(?:\{[^}]*\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ServerRoom:
    """Space that a server can still fill with objects.

    Attributes:
        free_bytes: What is left, redundancy already taken off.
        total_bytes: What there is in all.
    """

    free_bytes: int
    total_bytes: int


def find_room(profile: S3Profile) -> ServerRoom | None:
    """Ask the server; None where it does not say: no MinIO, metrics switched off or for others only, no answer in 5 s."""
    request = urllib.request.Request(f"{profile.resolved_endpoint_url.rstrip('/')}{_PATH}")  # noqa: S310 (http or https)
    if not profile.anonymous:
        request.add_unredirected_header("Authorization", f"Bearer {_sign_token(*profile.credentials())}")
    try:
        with _make_opener(profile).open(request, timeout=_TIMEOUT_S) as answer:
            text = answer.read(_LARGEST_ANSWER).decode("utf-8", "replace")
        found = {match["kind"]: int(float(match["value"])) for match in _LINE.finditer(text)}
        return ServerRoom(found["free"], found["total"])
    except (OSError, ValueError, KeyError):
        return None


def _make_opener(profile: S3Profile) -> urllib.request.OpenerDirector:
    """As the profile says, and not the environment."""
    proxy = str(profile.resolved_proxy)
    proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=profile.make_tls()))


def _sign_token(access_key: str, secret_key: str) -> str:
    """What MinIO's metrics ask for: a token signed with the secret, which itself does not leave this machine."""
    claims = {"exp": int(time.time()) + _TOKEN_LIFE_S, "sub": access_key, "iss": "prometheus"}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS512", "typ": "JWT"}, claims)]
    head = b".".join(_encode(part) for part in parts)
    return b".".join((head, _encode(hmac.new(secret_key.encode(), head, hashlib.sha512).digest()))).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
