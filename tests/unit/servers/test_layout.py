"""Which folder is meant, and how its servers are reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse_sdk.config import LocalStack, remember_stack
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.servers import MinioServer, PrefectServer
from lakehouse_sdk.servers.layout import StackFolder
from lakehouse_sdk.servers.minio import ensure_credentials
from lakehouse_sdk.servers.record import ServerRecord, find_birth, write_record


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A note about the last stack that only this test sees."""
    monkeypatch.setattr("lakehouse_sdk.config.stack.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def last_stack(path: Path) -> LocalStack:
    return LocalStack(path, "http://127.0.0.1:9", "access", "secret", "sqlite:////c.db")


def test_a_stack_rests_in_the_current_folder_unless_another_is_named(tmp_path: Path) -> None:
    assert StackFolder.here(None).path == tmp_path / ".lakehouse"
    assert StackFolder.here(Path("lake")).path == tmp_path / "lake"
    assert StackFolder.here(Path("~/lake")).path == Path.home() / "lake"


def test_what_is_meant_without_a_name_is_here_and_else_what_was_started_last(tmp_path: Path) -> None:
    assert StackFolder.meant_by(None).path == tmp_path / ".lakehouse"
    remember_stack(last_stack(tmp_path / "elsewhere"))
    assert StackFolder.meant_by(None).path == tmp_path / "elsewhere"
    assert StackFolder.meant_by(Path("named")).path == tmp_path / "named"
    (tmp_path / ".lakehouse").mkdir()
    assert StackFolder.meant_by(None).path == tmp_path / ".lakehouse"


def test_an_unreadable_note_about_the_last_stack_is_passed_over(tmp_path: Path, own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "current-stack.json").write_text("{")
    assert StackFolder.meant_by(None).path == tmp_path / ".lakehouse"


def test_a_folder_that_no_database_address_can_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"why\?") as caught:
        StackFolder.here(Path("why?"))
    assert caught.value.hint


def test_the_folder_is_private_and_out_of_sight_of_git(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "deep/lake")
    folder.make()
    folder.make()
    assert folder.path.stat().st_mode & 0o077 == 0
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_its_servers_are_minio_and_if_wanted_prefect(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    assert [type(server) for server in folder.servers(prefect=False, s3="minio", observer=ignore_events)] == [MinioServer]
    both = folder.servers(prefect=True, s3="minio", observer=ignore_events)
    assert [type(server) for server in both] == [MinioServer, PrefectServer]
    assert [server.data_dir for server in both] == [tmp_path / "minio", tmp_path / "prefect"]


def test_it_is_described_by_what_runs(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    with pytest.raises(UsageError, match="No S3 server runs"):
        folder.describe()
    folder.minio.mkdir()
    access_key, secret_key = ensure_credentials(folder.minio)
    birth = find_birth(os.getpid())
    assert birth is not None
    write_record(folder.minio, ServerRecord(os.getpid(), birth, 9123))
    stack = folder.describe()
    assert stack == LocalStack(tmp_path, "http://127.0.0.1:9123", access_key, secret_key, f"sqlite:///{tmp_path}/catalog.db")
    folder.prefect.mkdir()
    write_record(folder.prefect, ServerRecord(os.getpid(), birth, 4200))
    assert folder.describe().prefect_api_url == "http://127.0.0.1:4200/api"
