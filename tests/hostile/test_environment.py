"""Embedded servers get what they need of the environment; keys, tokens and addresses of anything else stay here."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_sdk.servers import MinioServer, PrefectServer, SeaweedServer

STRAY = {
    "AWS_ACCESS_KEY_ID": "planted-key",
    "AWS_SECRET_ACCESS_KEY": "planted-secret",
    "AWS_SESSION_TOKEN": "planted-token",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9/planted",
    "LAKEHOUSE_STORAGE__SECRET_KEY": "planted-lakehouse",
    "MINIO_VOLUMES": "/planted",
    "PREFECT_API_URL": "http://127.0.0.1:9/planted",
    "WEED_JWT_SIGNING_KEY": "planted-jwt",
    "GITHUB_TOKEN": "planted-github",
    "HTTPS_PROXY": "http://planted:secret@127.0.0.1:9",
    "PGPASSWORD": "planted-password",
}


@pytest.mark.parametrize("kind", [MinioServer, SeaweedServer, pytest.param(PrefectServer, marks=pytest.mark.deep)])
def test_no_stray_variable_reaches_an_embedded_server(
    kind: type[MinioServer | SeaweedServer | PrefectServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    with kind(tmp_path) as server:
        seen = Path(f"/proc/{server.pid}/environ").read_bytes().decode()
    assert "PATH=" in seen
    assert not [entry for entry in seen.split("\0") if "planted" in entry]
