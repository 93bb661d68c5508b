"""Moto's S3: a server that strangers wrote, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Self

from lakehouse_sdk.config import S3Profile


class MotoServer:
    """Moto on a free port of the loopback interface; a context manager."""

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"moto ended with {self._process.returncode}")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def profile(self) -> S3Profile:
        return S3Profile(endpoint_url=f"http://127.0.0.1:{self.port}", access_key="moto-user", secret_key="moto-secret")
