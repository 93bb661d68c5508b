"""What every embedded S3 server has in common: generated keys, kept beside its data, and the profile that they make."""

from __future__ import annotations

import json
import secrets
import string
from abc import ABC
from pathlib import Path

from pydantic import SecretStr

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.record import write_private

_ALPHABET = string.ascii_letters + string.digits  # nothing that a URL, a shell or SQL would have to quote
CREDENTIALS_FILE_NAME = "credentials.json"


class S3Server(ServerProcess, ABC):
    """An S3 server of one machine with keys of its own.

    Args:
        data_dir: Its folder, made when missing; None for a temporary one that is removed at the end.
        program: Its program; None finds it.
        port: Port to listen on; None for the one that this folder used last, if it is free, else any free one.
        observer: Told how the start goes.
        remove: A folder to remove at the end: `data_dir` itself, or a temporary one that it is in.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        program: Path | None = None,
        port: int | None = None,
        observer: Observer = ignore_events,
        remove: Path | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, observer=observer, remove=remove)
        self._program = program
        self._keys = ("", "")

    @property
    def endpoint_url(self) -> str:
        """Its S3 address; raises `UsageError` before the start."""
        return self.url

    @property
    def profile(self) -> S3Profile:
        """The S3 profile of its root user; raises `UsageError` before the start."""
        return S3Profile(endpoint_url=self.url, access_key=SecretStr(self._keys[0]), secret_key=SecretStr(self._keys[1]))

    def _redact(self, text: str) -> str:
        return text.replace(self._keys[1], "*****") if self._keys[1] else text


def ensure_credentials(folder: Path) -> tuple[str, str]:
    """Access key and secret key of the S3 server in `folder`; generated and kept (mode 0600) at the first call.

    Raises:
        ConfigurationError: The file that holds them is damaged.
    """
    file = folder / CREDENTIALS_FILE_NAME
    found = find_credentials(folder)
    if found is None:
        found = _random_text(20), _random_text(40)
        write_private(file, json.dumps({"access_key": found[0], "secret_key": found[1]}))
    return found


def find_credentials(folder: Path) -> tuple[str, str] | None:
    """As `ensure_credentials`; None where there are none yet."""
    file = folder / CREDENTIALS_FILE_NAME
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return str(values["access_key"]), str(values["secret_key"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"The credentials in {file} cannot be read ({type(error).__name__}).",
            hint="Delete that file to have new ones made; the buckets stay.",
        ) from None


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
