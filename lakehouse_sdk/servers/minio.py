"""An embedded MinIO."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_sdk.servers.ports import LOOPBACK
from lakehouse_sdk.servers.process import needed_environment
from lakehouse_sdk.servers.programs import ensure_minio
from lakehouse_sdk.servers.s3 import S3Server, ensure_credentials


class MinioServer(S3Server):
    """A MinIO with one drive, for one machine; several run side by side.

    Its folder holds `data/` (the buckets), `minio.log`, `credentials.json` (0600, generated at the first start and kept) and
    `server.json` (which process serves it). Nothing is written elsewhere, the console and the update check are off; metrics
    at `/minio/v2/metrics/cluster` want a token that is signed with the secret key.

    Without a `program` it is found, and built if need be (`ensure_minio`); other arguments as `S3Server`.
    """

    name = "MinIO"
    # `ready` answers 200 before objects can be read; `cluster` only when drives, bucket metadata and users are loaded.
    health_path = "/minio/health/cluster"

    def _prepare(self) -> None:
        folder = self._folder
        self._program = ensure_minio(self._program, observer=self._observer)
        (folder / "data").mkdir(exist_ok=True)
        self._keys = ensure_credentials(folder)

    def _command(self, port: int) -> list[str]:
        where = ["--address", f"{LOOPBACK}:{port}", str(self._folder / "data")]
        return [str(self._program), "server", "--quiet", "--anonymous", *where]

    def _environment(self, port: int) -> Mapping[str, str]:
        del port
        return {
            **needed_environment(),
            "HOME": str(self._folder),  # it makes ~/.minio, and speaks TLS when it finds certificates there
            "MINIO_ROOT_USER": self._keys[0],
            "MINIO_ROOT_PASSWORD": self._keys[1],
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
