"""SeaweedFS as the server of a lake: at once, on this machine only, with its keys, and nothing left behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import lakehouse_sdk
from lakehouse_sdk.config import S3Profile, load_settings
from lakehouse_sdk.errors import AccessError, ConfigurationError
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.servers import MinioServer, SeaweedServer, choose_server, programs
from lakehouse_sdk.servers.layout import StackFolder
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Action, plan_transfer


def sockets_of(server: SeaweedServer) -> list[Path]:
    return [path for port in server._ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


def test_objects_keys_and_address_survive_a_restart(tmp_path: Path) -> None:
    with SeaweedServer(tmp_path) as server, S3Client(server.profile) as s3:
        s3.ensure_bucket("kept")
        s3.put_bytes("kept", "a", b"1")
        before = server.profile
    with SeaweedServer(tmp_path) as server, S3Client(server.profile) as s3:
        assert s3.get_bytes("kept", "a") == b"1"
        assert server.profile == before


def test_it_listens_on_this_machine_only_and_shows_nobody_its_keys(tmp_path: Path) -> None:
    with SeaweedServer(tmp_path / "s") as server:
        process = psutil.Process(server.pid)
        listening = [item.laddr for item in process.net_connections("tcp") if item.status == psutil.CONN_LISTEN]
        assert {address.ip for address in listening} == {"127.0.0.1"}
        assert {address.port for address in listening} <= set(server._ports.values())
        assert server._ports["admin.port"] not in {address.port for address in listening}, "the admin page"
        secret = server.profile.credentials()[1]
        command_lines = [*process.cmdline(), *psutil.Process(process.ppid()).cmdline()]
        assert not any(secret in part for part in command_lines)
        assert secret not in repr(server) + server.log_file.read_text()
        for name in ("credentials.json", "s3.json"):
            assert stat.S_IMODE((tmp_path / "s" / name).stat().st_mode) == 0o600
        stranger = S3Profile(endpoint_url=server.url, access_key="nobody", secret_key="nothing")
        with S3Client(stranger) as client, pytest.raises(AccessError):
            client.list_buckets()


def test_keys_of_the_users_environment_stay_away_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-another-place")
    with SeaweedServer(tmp_path) as server:
        assert "of-another-place" not in Path(f"/proc/{server.pid}/environ").read_text()


def test_it_leaves_no_socket_and_no_process(tmp_path: Path) -> None:
    server = SeaweedServer(tmp_path).start()
    assert sockets_of(server)
    pid = server.pid
    server.stop()
    assert not psutil.pid_exists(pid)
    assert sockets_of(server) == []


def test_it_ends_with_its_starter_that_is_killed(
    tmp_path: Path, wait_until: Callable[[Callable[[], bool], float], None]
) -> None:
    program = "import sys, time; from pathlib import Path; from lakehouse_sdk.servers import SeaweedServer\n"
    program += "s = SeaweedServer(Path(sys.argv[1])).start(); print(s.pid, flush=True); time.sleep(600)"
    starter = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert psutil.pid_exists(pid)
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()
    wait_until(lambda: not psutil.pid_exists(pid), 30)


class TestChoice:
    @pytest.fixture
    def no_minio(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lakehouse_sdk.servers.choice.find_minio", lambda: None)

    def test_minio_where_it_is_there(self) -> None:
        assert choose_server() is MinioServer
        assert choose_server("seaweedfs") is SeaweedServer

    def test_else_seaweedfs(self, no_minio: None) -> None:
        assert choose_server() is SeaweedServer
        assert choose_server("minio") is MinioServer

    def test_a_path_by_its_name(self, tmp_path: Path) -> None:
        assert choose_server(str(tmp_path / "weed")) is SeaweedServer
        assert choose_server(str(tmp_path / "minio")) is MinioServer

    def test_none_at_all_says_both_ways_to_one(self, no_minio: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lakehouse_sdk.servers.choice.has_seaweedfs", lambda: False)
        with pytest.raises(ConfigurationError, match="servers install minio") as caught:
            choose_server()
        assert "lakehouse-sdk[servers]" in str(caught.value)

    def test_a_package_that_is_not_installed_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(programs, "files", lambda _: None)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(ConfigurationError, match=r"lakehouse-sdk\[servers\]"):
            programs.find_seaweedfs()

    def test_a_folder_keeps_the_server_that_wrote_it(self, no_minio: None, tmp_path: Path) -> None:
        """MinIO that is installed later does not take over what SeaweedFS holds, nor the other way."""
        folder = StackFolder(tmp_path)
        (folder.minio).mkdir()
        (folder.minio / "credentials.json").write_text('{"access_key": "a", "secret_key": "b"}')
        (server,) = folder.servers(prefect=False, s3="auto", observer=ignore_events)
        assert isinstance(server, MinioServer)


def test_a_lake_of_this_machine_runs_on_it(tmp_path: Path) -> None:
    with lakehouse_sdk.local(tmp_path, servers={"s3": "seaweedfs"}) as lake:
        lake.fs.mkdir("bucket")
        lake.fs.pipe("bucket/a", b"1")
        assert lake.fs.cat("bucket/a") == b"1"
        assert (tmp_path / "seaweedfs").is_dir()


def test_two_names_that_it_holds_as_one_are_conflicts_before_the_first_byte(tmp_path: Path) -> None:
    r"""`a\b` and `a//b` are `a/b` there: without the rule of the plan two sources became one object, and the run said ok."""
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a/b").write_bytes(b"1")
    (tree / "a\\b").write_bytes(b"2")
    with SeaweedServer(tmp_path / "s") as server, S3Client(server.profile) as s3:
        s3.ensure_bucket("target")
        plan = plan_transfer(tree, "s3://target/p", settings=load_settings(storage=server.profile))
        assert {row.relative_key: row.action for row in plan} == {"a/b": Action.COPY, "a\\b": Action.CONFLICT}
        assert not plan.run().ok
        assert s3.get_bytes("target", "p/a/b") == b"1"
