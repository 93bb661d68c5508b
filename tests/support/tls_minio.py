"""A real MinIO behind TLS with a key of its own to encrypt with: what SSE-KMS and SSE-C need."""

from __future__ import annotations

import base64
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self
from urllib.error import URLError

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.servers import ensure_minio
from lakehouse_sdk.servers.ports import choose_port
from tests.support.stand_in import Authority

KEYS = {"access_key": "encrypting", "secret_key": "encrypting-secret"}


class TlsMinio:
    """The server; a context manager.

    Args:
        folder: For its data and certificates.
        authority: Signed its certificate.
        environment: More variables, for another key service.

    Attributes:
        profile: Of its root user, with the authority's bundle.
    """

    def __init__(self, folder: Path, authority: Authority, environment: dict[str, str] | None = None) -> None:
        certificates = folder / "certs"
        certificates.mkdir()
        key, begin, certificate = authority.server.read_text().partition("-----BEGIN CERTIFICATE-----")
        (certificates / "private.key").write_text(key)
        (certificates / "public.crt").write_text(begin + certificate)
        (folder / "data").mkdir()
        port = choose_port()
        self.profile = S3Profile(endpoint_url=f"https://127.0.0.1:{port}", ca_bundle=authority.bundle, **KEYS)
        own_key = base64.b64encode(os.urandom(32)).decode()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "MINIO_ROOT_USER": KEYS["access_key"],
            "MINIO_ROOT_PASSWORD": KEYS["secret_key"],
            **(environment or {"MINIO_KMS_SECRET_KEY": f"test-key:{own_key}"}),
        }
        address = ["--address", f"127.0.0.1:{port}", "--certs-dir", str(certificates)]
        command = [str(ensure_minio()), "server", "--quiet", *address, str(folder / "data")]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, env=env, stdout=self._log, stderr=self._log)

    def __enter__(self) -> Self:
        tls = self.profile.make_tls()
        while self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.profile.endpoint_url}/minio/health/cluster", context=tls, timeout=5):
                    return self
            except (URLError, OSError):
                time.sleep(0.05)
        self._log.close()
        raise AssertionError(Path(self._log.name).read_text())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
