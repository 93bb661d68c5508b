"""`lakehouse` in this process, in an empty folder, with settings that lead to the test's servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse_sdk.cli import main
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def values(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last of them."""
        last = self.values[-1]
        assert last["type"] == "summary"
        return last


def _variables(group: str, server: MinioServer) -> dict[str, str]:
    access_key, secret_key = server.profile.credentials()
    values = {"ENDPOINT_URL": server.endpoint_url, "ACCESS_KEY": access_key, "SECRET_KEY": secret_key}
    return {f"LAKEHOUSE_{group}__{name}": value for name, value in values.items()}


@pytest.fixture
def environment(minio: MinioServer, bucket: str) -> dict[str, str]:
    """Variables that lead to `minio`, whose lake is `bucket`; `public` is the same server without credentials."""
    public = {"LAKEHOUSE_PROFILES__PUBLIC__ENDPOINT_URL": minio.endpoint_url, "LAKEHOUSE_PROFILES__PUBLIC__ANONYMOUS": "true"}
    return {**_variables("STORAGE", minio), **public, "LAKEHOUSE_LAKE__BUCKET": bucket}


@pytest.fixture
def lakehouse(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run a command as the shell would, without starting a process."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["lakehouse", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(end.value.code, int)
        return Done(end.value.code, out, err)

    return run


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command as a process of its own, in a session of its own; options are those of `subprocess.Popen`."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}

    def popen(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("lakehouse")), *map(str, arguments)],
            cwd=tmp_path,
            env={**inherited, "HOME": str(tmp_path), **environment, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    return popen


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Callable[..., None]:
    """Put objects into `bucket`, each with its own key as content."""

    def put_all(*keys: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: s3.put_bytes(bucket, key, key.encode()), keys))

    return put_all


@pytest.fixture
def read(s3: S3Client, bucket: str) -> Callable[..., dict[str, str]]:
    """Every object below a prefix of `bucket`, by key."""

    def read_all(prefix: str = "") -> dict[str, str]:
        return {info.key: s3.get_bytes(bucket, info.key).decode() for info in s3.list_objects(bucket, prefix)}

    return read_all


@pytest.fixture
def other_s3(other_minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """Requests to the other server, which is the profile `other`."""
    for name, value in _variables("PROFILES__OTHER", other_minio).items():
        monkeypatch.setenv(name, value)
    with S3Client(other_minio.profile) as client:
        yield client


@pytest.fixture
def other_bucket(other_s3: S3Client) -> str:
    """A new, empty bucket on the other server."""
    name = f"other-{uuid.uuid4().hex[:12]}"
    other_s3.ensure_bucket(name)
    return name
