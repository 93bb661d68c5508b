"""A real MinIO: what its users rely on."""

from __future__ import annotations

import os
import signal
import stat
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

from lakehouse_sdk.errors import ConflictError
from lakehouse_sdk.events import Event, StageFinished, StageStarted
from lakehouse_sdk.servers import MinioServer, find_minio
from lakehouse_sdk.servers.record import find_record
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.storage.room import find_room

Wait = Callable[[Callable[[], bool], float], None]


def test_it_serves_objects_as_soon_as_it_has_started(tmp_path: Path) -> None:
    seen: list[Event] = []
    with MinioServer(tmp_path / "m", observer=seen.append) as server, S3Client(server.profile) as s3:
        s3.ensure_bucket("first")
        s3.put_bytes("first", "a", b"1")
        assert s3.get_bytes("first", "a") == b"1"
    assert [type(event) for event in (seen[0], seen[-1])] == [StageStarted, StageFinished]
    assert isinstance(seen[-1], StageFinished)
    assert seen[-1].ok


def test_data_keys_and_address_survive_a_restart(tmp_path: Path) -> None:
    with MinioServer(tmp_path) as server, S3Client(server.profile) as s3:
        s3.ensure_bucket("kept")
        before = server.profile
    with MinioServer(tmp_path) as server, S3Client(server.profile) as s3:
        assert s3.list_buckets() == ["kept"]
        assert server.profile == before


def test_secrets_are_in_no_argv_log_repr_or_readable_file(tmp_path: Path) -> None:
    """Every user of the machine can read a command line."""
    with MinioServer(tmp_path / "m") as server:
        secret = server.profile.credentials()[1]
        process = psutil.Process(server.pid)
        command_lines = [*process.cmdline(), *psutil.Process(process.ppid()).cmdline()]
        assert not any(secret in part for part in command_lines)
        assert secret not in repr(server) + repr(server.profile)
        assert secret not in server.log_file.read_text()
        assert stat.S_IMODE((tmp_path / "m/credentials.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o700


def test_it_listens_on_this_machine_only_and_has_no_console(tmp_path: Path) -> None:
    with MinioServer(tmp_path) as server:
        listening = [item for item in psutil.Process(server.pid).net_connections("tcp") if item.status == psutil.CONN_LISTEN]
        assert {item.laddr.ip for item in listening} <= {"127.0.0.1", "::1"}
        assert {item.laddr.port for item in listening} == {int(server.url.rpartition(":")[2])}


def test_metrics_want_a_token_that_the_keys_make(minio: MinioServer) -> None:
    with pytest.raises(HTTPError) as told:
        urllib.request.urlopen(f"{minio.url}/minio/v2/metrics/cluster")
    told.value.close()
    assert told.value.code == 403
    room = find_room(minio.profile)
    assert room is not None
    assert 0 < room.free_bytes <= room.total_bytes


def test_nothing_is_written_into_the_home_and_no_setting_of_another_minio_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = find_minio()  # before the cache folder moves with the home
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MINIO_VOLUMES", "/somewhere/else")
    monkeypatch.setenv("MINIO_ROOT_USER_FILE", "/somewhere/else")
    with MinioServer(tmp_path / "m", program=program) as server, S3Client(server.profile) as s3:
        assert s3.list_buckets() == []
    assert list(home.iterdir()) == []


def test_several_run_side_by_side_and_a_temporary_folder_goes_with_its_server() -> None:
    with MinioServer() as one, MinioServer() as two:
        folders = [one.data_dir, two.data_dir]
        assert one.url != two.url
        assert one.profile.credentials() != two.profile.credentials()
        assert all(folder is not None and folder.is_dir() for folder in folders)
    assert not any(folder is not None and folder.exists() for folder in folders)


def test_a_folder_in_use_is_refused_and_its_user_named(tmp_path: Path) -> None:
    with MinioServer(tmp_path) as server:
        with pytest.raises(ConflictError, match=f"process {server.pid}") as caught, MinioServer(tmp_path):
            pass
        assert server.url in caught.value.message
        assert server.running
    with MinioServer(tmp_path):
        pass


def test_start_and_stop_can_be_called_again(tmp_path: Path) -> None:
    server = MinioServer(tmp_path)
    pid = server.start().pid
    assert server.start().pid == pid
    server.stop()
    server.stop()
    assert not server.running
    assert server.start().pid != pid
    server.stop()


def test_a_killed_server_is_noticed_and_started_again_on_the_same_data(tmp_path: Path, wait_until: Wait) -> None:
    with MinioServer(tmp_path) as server, S3Client(server.profile) as s3:
        s3.ensure_bucket("kept")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.running, 30)
        server.start()
        assert s3.list_buckets() == ["kept"]


def test_it_is_ended_although_somebody_killed_its_watchdog(tmp_path: Path, is_alive: Callable[[int], bool]) -> None:
    server = MinioServer(tmp_path).start()
    pid = server.pid
    psutil.Process(pid).parent().kill()  # type: ignore[union-attr]
    psutil.wait_procs([psutil.Process(os.getpid())], timeout=0.2)
    assert server.running
    server.stop()
    assert not is_alive(pid)


def test_a_detached_server_outlives_its_object_and_its_record_tells_where_it_is(tmp_path: Path) -> None:
    from lakehouse_sdk.servers.child import end_group

    server = MinioServer(tmp_path).start()
    profile = server.profile
    record = server.detach()
    try:
        server.stop()
        assert find_record(tmp_path) == record
        assert record.running
        assert record.owner_pid is None
        with S3Client(profile) as s3:
            assert s3.list_buckets() == []
    finally:
        assert end_group(record.pid, record.birth)
    assert not record.running
