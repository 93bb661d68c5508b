"""An embedded MinIO."""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.servers.ports import LOOPBACK
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.programs import ensure_minio
from lakehouse_sdk.servers.record import write_private

_ALPHABET = string.ascii_letters + string.digits  # nothing that a URL, a shell or SQL would have to quote
CREDENTIALS_FILE_NAME = "credentials.json"


class MinioServer(ServerProcess):
    """A MinIO with one drive, for one machine; several run side by side.

    Its folder holds `data/` (the buckets), `minio.log`, `credentials.json` (0600, generated at the first start and kept) and
    `server.json` (which process serves it). Nothing is written elsewhere, the console and the update check are off, and
    metrics can be read without a token at `/minio/v2/metrics/cluster`.

    Args:
        data_dir: Its folder, made when missing; None for a temporary one that is removed at the end.
        program: MinIO's program; None finds it, and builds it if need be (`ensure_minio`).
        port: Port to listen on; None for the one that this folder used last, if it is free, else any free one.
        observer: Told how build and start go.
        remove: A folder to remove at the end: `data_dir` itself, or a temporary one that it is in.
    """

    name = "MinIO"
    # `ready` answers 200 before objects can be read; `cluster` only when drives, bucket metadata and users are loaded.
    health_path = "/minio/health/cluster"

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

    def _prepare(self) -> None:
        folder = self._folder
        self._program = ensure_minio(self._program, observer=self._observer)
        (folder / "data").mkdir(exist_ok=True)
        self._keys = ensure_credentials(folder)

    def _command(self, port: int) -> list[str]:
        where = ["--address", f"{LOOPBACK}:{port}", str(self._folder / "data")]
        return [str(self._program), "server", "--quiet", "--anonymous", *where]

    def _environment(self) -> Mapping[str, str]:
        # The user's MINIO_* mean another server: a MINIO_VOLUMES or MINIO_KMS_… would change this one.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MINIO_", "_MINIO_"))}
        return {
            **inherited,
            "HOME": str(self._folder),  # it makes ~/.minio, and speaks TLS when it finds certificates there
            "MINIO_ROOT_USER": self._keys[0],
            "MINIO_ROOT_PASSWORD": self._keys[1],
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        }

    def _redact(self, text: str) -> str:
        return text.replace(self._keys[1], "*****") if self._keys[1] else text


def ensure_credentials(folder: Path) -> tuple[str, str]:
    """Access key and secret key of the MinIO in `folder`; generated and kept (mode 0600) at the first call.

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
