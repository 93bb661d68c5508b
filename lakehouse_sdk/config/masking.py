"""How secrets look where people can see them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "**********"

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s'\"<>]+)")
_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword|token|secret)=)[^&#\s'\"]*", re.IGNORECASE)
_WITHOUT_USERS = frozenset({"s3", "lakehouse", "file"})
"""Schemes whose `@` never ends a password: it stands behind a profile, or in a key."""


class Secret(str):
    """A secret in clear, on its way to the client that signs with it: text in all but its repr.

    What shows values shows reprs: a traceback with locals, `vars()`, a dict of options, a debugger's list.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


_LOGGERS = ("botocore", "aiobotocore", "s3fs", "fsspec", "aiohttp", "urllib3", "pyiceberg")
_SHORTEST = 8
"""What is shorter is no secret that a server would take, and would mask half of every line."""


class _LogMask(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        found = [secret for secret in self.secrets if secret in text]
        if found:
            for secret in found:
                text = text.replace(secret, MASK)
            record.msg, record.args = text, ()
        return True


_log_mask = _LogMask()


def mask_in_logs(secrets: Iterable[str]) -> None:
    """Keep secrets out of what the clients that are handed them log: botocore writes whole requests at level DEBUG."""
    told = {str(secret) for secret in secrets if len(secret) >= _SHORTEST}
    _log_mask.secrets |= told | {quote(secret, safe="") for secret in told}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _LOGGERS:
            logger.addFilter(_log_mask)  # a filter holds for what is logged by this very logger; added again it stays one


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
