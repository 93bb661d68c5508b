"""A botocore session that knows nothing but what it is told: no profile, file or variable of the environment's AWS set-up.

What goes wrong otherwise: with every key said explicitly, an unknown `AWS_PROFILE`, a broken `~/.aws/config` or a line
`use_accelerate_endpoint` in it still ends a read with an error of botocore's that names none of ours.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

_FILES = ("config_file", "credentials_file")


class NewestTlsSession(AIOHTTPSession):  # type: ignore[misc]
    """Connections that speak TLS 1.3 and nothing older; botocore has no setting for it."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


class ClosedSession(AioSession):  # type: ignore[misc]
    """As said above. It compares, prints and pickles without a state, so it is given to others without credentials.

    Args:
        credentials: Access key, secret key and session token (empty without) that its clients sign with; None: each client
            is told its own, or signs nothing. What botocore logs never shows them.
    """

    def __init__(self, credentials: tuple[str, str, str] | None = None) -> None:
        variables: dict[str, Any] = {
            name: (None, None, os.devnull if name in _FILES else default, conversion)
            for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
        }
        super().__init__(session_vars=variables | {"profile": (None, None, None, None)})
        if credentials is not None:
            access_key, secret_key, token = (str(part) for part in credentials)
            self.set_credentials(access_key, secret_key, token or None)

    def __repr__(self) -> str:
        return "ClosedSession()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClosedSession)

    def __hash__(self) -> int:
        return hash(ClosedSession)

    def __reduce__(self) -> tuple[type[ClosedSession], tuple[()]]:
        return ClosedSession, ()
