"""How secrets look where people can see them."""

from __future__ import annotations

import re

MASK = "**********"

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s'\"<>]+)")
_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword|token|secret)=)[^&#\s'\"]*", re.IGNORECASE)
_WITHOUT_USERS = frozenset({"s3", "lakehouse", "file"})
"""Schemes whose `@` never ends a password: it stands behind a profile, or in a key."""


def mask_password(text: str) -> str:
    """Every address in a text with its password masked, for reprs, messages and logs; other text comes back as it is.

    A password that should have been percent-encoded, with `/`, `?`, `#` or `@` in it, is masked too.
    """
    return _QUERY.sub(rf"\1{MASK}", _ADDRESS.sub(_mask_address, text))


def _mask_address(match: re.Match[str]) -> str:
    rest = match["rest"]
    user, colon, behind = rest.partition(":")
    end = behind.rfind("@")
    is_port = behind.partition("/")[0].partition("?")[0].isdigit() and match["scheme"].lower().startswith("http")
    if match["scheme"].lower() in _WITHOUT_USERS or not colon or end < 0 or "/" in user or is_port:
        return match[0]
    return f"{match['scheme']}://{user}:{MASK}{behind[end:]}"
