"""`lakehouse up`, `down` and `status`: servers that outlive the command, are found again, and are the only ones it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lakehouse_sdk.cli import servers as cli
from lakehouse_sdk.config import find_stack, load_settings, remember_stack
from lakehouse_sdk.errors import AccessError, ConflictError, ServerError
from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.servers import LocalServers, PrefectServer, find_minio, get_stack_status, stack, start_stack, stop_stack
from lakehouse_sdk.servers.lock import find_lock
from lakehouse_sdk.servers.record import ServerRecord, find_birth, find_record, write_record
from lakehouse_sdk.storage import S3Client

Alive = Callable[[int], bool]
Wait = Callable[[Callable[[], bool], float], None]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder and a note about the last stack of this test's own; what it left running is ended."""
    monkeypatch.setattr("lakehouse_sdk.config.stack.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for record in tmp_path.rglob("server.json"):
        found = find_record(record.parent)
        if found is not None and found.running:
            os.killpg(found.pid, signal.SIGKILL)


@pytest.fixture
def run() -> Callable[..., tuple[int, str]]:
    """Run a command of the group in this process; returns exit code and output."""
    app = typer.Typer()
    cli.register(app)

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return call


def only_server(path: Path | None = None) -> tuple[str, int | None]:
    """State and process of the one server of a stack."""
    (server,) = get_stack_status(path).servers
    return server.state, server.pid


def test_up_connect_status_down(run: Callable[..., tuple[int, str]], home: Path, is_alive: Alive) -> None:
    code, said = run("up")
    started = find_stack()
    assert code == 0
    assert started is not None
    assert started.path == home / ".lakehouse"
    assert started.endpoint_url in said
    assert "lakehouse down" in said
    assert started.secret_key not in said
    assert str(home / ".lakehouse/minio/credentials.json") in said
    settings = load_settings()
    assert settings.storage.endpoint_url == started.endpoint_url
    assert settings.catalog.uri == f"sqlite:///{home}/.lakehouse/catalog.db"
    with S3Client(settings.storage) as s3:
        s3.ensure_bucket("kept")
    state, pid = only_server()
    assert state == "running"
    assert pid is not None
    code, said = run("status")
    assert code == 0
    assert f"MinIO running at {started.endpoint_url}, process {pid}" in said
    code, said = run("down")
    assert code == 0
    assert "Ended MinIO" in said
    assert not is_alive(pid)
    assert find_stack() is None
    assert only_server() == ("stopped", None)
    assert run("status")[0] == 1
    code, said = run("down")
    assert code == 0
    assert "Nothing runs" in said


def test_up_again_leaves_what_runs_and_says_so(run: Callable[..., tuple[int, str]]) -> None:
    run("up")
    before = only_server()
    code, said = run("up")
    assert code == 0
    assert "runs already" in said
    assert only_server() == before


def test_json_is_one_object_without_secrets(run: Callable[..., tuple[int, str]], home: Path) -> None:
    code, said = run("up", "--json", "--path", "lake")
    started = find_stack()
    assert started is not None
    assert started.secret_key not in said
    value = json.loads(said)
    (server,) = value["servers"]
    assert (code, value["path"], value["running"]) == (0, str(home / "lake"), True)
    assert (server["name"], server["state"], server["url"]) == ("MinIO", "running", started.endpoint_url)
    assert server["size_bytes"] > 0
    assert json.loads(run("status", "--json")[1])["servers"][0]["pid"] == server["pid"]
    assert json.loads(run("down", "--json")[1]) == {"path": str(home / "lake"), "ended": ["MinIO"]}


def test_after_a_crash_up_brings_back_the_same_data_keys_and_address(wait_until: Wait) -> None:
    first = start_stack()
    with S3Client(load_settings().storage) as s3:
        s3.ensure_bucket("kept")
    pid = only_server()[1]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: only_server() == ("dead", None), 10)
    assert start_stack() == first
    with S3Client(load_settings().storage) as s3:
        assert s3.list_buckets() == ["kept"]


def test_after_a_restart_of_the_machine_the_old_process_id_means_nothing(home: Path) -> None:
    """Somebody else has it now, and is neither taken for the server nor ended."""
    start_stack()
    stop_stack()
    data_dir = home / ".lakehouse/minio"
    with subprocess.Popen([sys.executable, "-ISc", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        write_record(data_dir, ServerRecord(stranger.pid, "boot before:17", 9))
        assert only_server() == ("dead", None)
        assert stop_stack() == ()
        assert find_birth(stranger.pid) is not None
        write_record(data_dir, ServerRecord(stranger.pid, "boot before:17", 9))
        start_stack()
        assert only_server()[0] == "running"
        assert find_birth(stranger.pid) is not None
        stranger.kill()


def test_servers_of_a_running_notebook_are_not_ended(home: Path) -> None:
    with LocalServers(home / "lake") as servers:
        servers.start()
        with pytest.raises(ConflictError, match=f"belongs to process {os.getpid()}") as caught:
            stop_stack(home / "lake")
        assert caught.value.hint
        with pytest.raises(ConflictError, match="in use"):
            start_stack(home / "lake")
        assert servers.running
        (server,) = get_stack_status(home / "lake").servers
        assert server.owner_pid == os.getpid()
    assert find_stack() is None


def test_a_notebook_cannot_take_a_folder_that_up_serves(home: Path) -> None:
    start_stack(home / "lake")
    with pytest.raises(ConflictError, match="in use"):
        LocalServers(home / "lake").start()
    assert only_server(home / "lake")[0] == "running"


def test_another_stack_is_neither_ended_nor_forgotten(run: Callable[..., tuple[int, str]], home: Path) -> None:
    run("up", "--path", "one")
    _, said = run("up", "--path", "two")
    assert f"lakehouse down --path {home / 'one'}" in said
    run("down", "--path", "one")
    assert only_server(home / "two")[0] == "running"
    remembered = find_stack()
    assert remembered is not None
    assert remembered.path == home / "two"
    run("down")
    assert only_server(home / "two")[0] == "stopped"


def test_two_at_once_start_one_server(home: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(start_stack())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_who_waits_for_another_up_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_HEARTBEAT_S", 0.1)
    (home / ".lakehouse").mkdir()
    lock = find_lock(home / ".lakehouse/stack.lock")
    assert lock is not None
    seen: list[Event] = []
    waiting = threading.Thread(target=lambda: stop_stack(observer=seen.append))
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    os.close(lock)
    waiting.join(10)
    assert not waiting.is_alive()
    assert isinstance(seen[0], StageProgress)
    assert "another process" in seen[0].note


def test_down_forgets_a_stack_whose_folder_is_gone_and_a_note_that_cannot_be_read(home: Path) -> None:
    first = start_stack(home / "lake")
    stop_stack(home / "lake")
    remember_stack(first)
    (home / "lake").rename(home / "moved")
    assert stop_stack() == ()
    assert find_stack() is None
    (home / "cache/current-stack.json").write_text("{")
    assert stop_stack() == ()
    assert find_stack() is None


def test_a_start_that_fails_leaves_nothing(
    home: Path, make_minio: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServerError):
        start_stack(s3=str(make_minio(before="sys.exit(1)")))
    assert find_stack() is None
    assert only_server() == ("stopped", None)

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stack, "remember_stack", refuse)
    with pytest.raises(AccessError):
        start_stack(s3=str(make_minio()))
    assert only_server() == ("stopped", None)


UP = """
    import os
    from pathlib import Path
    from lakehouse_sdk.servers import start_stack
    start_stack(s3=os.environ["FAKE"], observer=lambda event: print(event, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_up_that_is_interrupted_leaves_nothing_running(
    number: int,
    start_script: Start,
    make_minio: Callable[..., Path],
    home: Path,
    wait_until: Wait,
    is_alive: Alive,
) -> None:
    """In the middle of the start: the server runs and is not healthy yet."""
    note = home / "pid"
    program = make_minio(before=f"open({str(note)!r}, 'w').write(str(os.getpid()))", status=503)
    command = start_script(UP, FAKE=str(program))
    wait_until(lambda: note.exists() and note.read_text() != "", 60)
    server = int(note.read_text())
    assert is_alive(server)
    os.killpg(command.pid, number)
    command.wait(60)
    wait_until(lambda: not is_alive(server), 30)
    assert only_server() == ("stopped", None)
    assert find_stack() is None


def test_up_with_prefect_adds_it_to_a_minio_that_runs_already(
    make_minio: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str]]
) -> None:
    """Prefect is played here: the real one takes ten seconds to start, and has tests of its own."""
    player = make_minio()
    monkeypatch.setattr(PrefectServer, "_command", lambda self, port: [str(player), "--address", f"127.0.0.1:{port}"])
    alone = start_stack()
    run("up", "--prefect")
    both = find_stack()
    assert both is not None
    assert (both.endpoint_url, both.access_key) == (alone.endpoint_url, alone.access_key)
    status = get_stack_status()
    assert [server.state for server in status.servers] == ["running", "running"]
    assert both.prefect_api_url == f"{status.servers[1].url}/api"
    assert load_settings().prefect.api_url == both.prefect_api_url
    run("up")
    assert find_stack() == both
    assert stop_stack() == ("Prefect", "MinIO")


def test_a_server_that_hangs_is_told_from_one_that_answers(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_stack()
    monkeypatch.setattr(stack, "answers", lambda port, path: False)
    assert only_server()[0] == "not answering"
    assert run("status")[0] == 1


def test_install_says_where_minio_is(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("servers", "install")
    assert code == 0
    assert str(find_minio()) in said


def test_install_takes_no_other_server_for_minio(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAKEHOUSE_SERVERS__S3", str(tmp_path / "weed"))
    code, said = run("servers", "install", "minio")
    assert code == 0
    assert str(find_minio()) in said


def test_status_of_nothing_says_how_to_begin(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("status")
    assert code == 1
    assert "lakehouse up" in said
