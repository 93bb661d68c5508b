"""MinIO's generated keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.servers.s3 import ensure_credentials, find_credentials


def test_keys_are_made_once_and_kept_for_the_owner_only(tmp_path: Path) -> None:
    assert find_credentials(tmp_path) is None
    keys = ensure_credentials(tmp_path)
    assert ensure_credentials(tmp_path) == keys == find_credentials(tmp_path)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_every_folder_gets_its_own_keys_of_letters_and_digits(tmp_path: Path) -> None:
    """Nothing that an address, a shell or SQL would have to quote."""
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made.extend(ensure_credentials(tmp_path / name))
    assert len(set(made)) == 4
    assert all(key.isalnum() and len(key) in {20, 40} for key in made)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access_key": "SECRET"}'])
def test_a_damaged_file_is_named_and_its_content_is_not_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"credentials\.json") as caught:
        ensure_credentials(tmp_path)
    assert "SECRET" not in str(caught.value)
    assert caught.value.hint


def test_before_its_start_a_server_has_no_address_folder_or_keys(tmp_path: Path) -> None:
    server = MinioServer()
    for name in ("url", "pid", "endpoint_url", "profile", "log_file"):
        with pytest.raises(UsageError) as caught:
            getattr(server, name)
        assert caught.value.hint
    assert not server.running
    assert repr(server) == "<MinioServer in a temporary folder, not running>"
    assert MinioServer(tmp_path).log_file == tmp_path / "minio.log"
    server.stop()
