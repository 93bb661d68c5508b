"""How secrets look where people can see them."""

from __future__ import annotations

import re

MASK = "**********"

_PASSWORD = re.compile(
    r"(?P<before>://[^/?#]*?:)[^/?#]*(?=@)|(?P<query>[?&](?:password|passwd|sslpassword)=)[^&#]*", re.IGNORECASE
)


def mask_password(text: str) -> str:
    """An address with its password masked, for reprs, messages and logs; other text comes back as it is."""
    return _PASSWORD.sub(lambda match: f"{match['before'] or match['query']}{MASK}", text)
