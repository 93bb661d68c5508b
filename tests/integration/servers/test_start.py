"""Starts that fail, told by programs that play MinIO badly: each ends in an error that names the thing and the next step."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse_sdk.errors import CapacityError, ConfigurationError, ConflictError, ServerError, UsageError
from lakehouse_sdk.events import Event, StageFinished, StageProgress
from lakehouse_sdk.servers import MinioServer, process, programs
from lakehouse_sdk.servers.ports import answers, choose_port, is_free, listens

MakeMinio = Callable[..., Path]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else has; nobody answers there."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def test_the_end_of_the_log_is_in_the_error_without_the_secret(make_minio: MakeMinio, tmp_path: Path) -> None:
    program = make_minio(before="""print("no disk for", os.environ["MINIO_ROOT_PASSWORD"], flush=True); sys.exit(3)""")
    seen: list[Event] = []
    server = MinioServer(tmp_path / "m", program=program, observer=seen.append)
    with pytest.raises(ServerError, match=r"exit code 3") as caught:
        server.start()
    assert "no disk for *****" in caught.value.message
    assert str(tmp_path / "m/minio.log") in caught.value.message
    assert caught.value.hint
    assert isinstance(seen[-1], StageFinished)
    assert not seen[-1].ok
    assert not server.running


def test_the_log_of_a_temporary_server_is_told_before_its_folder_goes(
    make_minio: MakeMinio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ServerError, match="famous last words"):
        MinioServer(program=make_minio(before="""print("famous last words", flush=True); sys.exit(1)""")).start()
    assert not list(tmp_path.glob("lakehouse-*"))


def test_a_full_disk_is_told_as_one(make_minio: MakeMinio, tmp_path: Path) -> None:
    program = make_minio(before="""print("FATAL: write: no space left on device", flush=True); sys.exit(1)""")
    with pytest.raises(CapacityError) as caught:
        MinioServer(tmp_path, program=program).start()
    assert "free space" in str(caught.value.hint)


def test_a_server_that_never_gets_healthy_is_ended_after_the_time_limit(
    make_minio: MakeMinio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MinioServer, "start_timeout_s", 1.5)
    monkeypatch.setattr(process, "_HEARTBEAT_S", 0.3)
    seen: list[Event] = []
    server = MinioServer(tmp_path, program=make_minio(status=503), observer=seen.append)
    with pytest.raises(ServerError, match="did not answer"):
        server.start()
    notes = [event.note for event in seen if isinstance(event, StageProgress)]
    assert any("waiting" in note for note in notes)
    record = process.find_record(tmp_path)
    assert record is None


def test_a_wanted_port_that_is_taken_is_named(make_minio: MakeMinio, tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(ConflictError, match=str(taken_port)) as caught:
        MinioServer(tmp_path, program=make_minio(), port=taken_port).start()
    assert caught.value.hint


def test_a_wanted_port_is_used(make_minio: MakeMinio, tmp_path: Path) -> None:
    port = choose_port()
    with MinioServer(tmp_path, program=make_minio(), port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"


def test_a_port_lost_to_somebody_quicker_is_replaced(
    make_minio: MakeMinio, tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port was free when it was chosen, and no longer when the server came to it."""
    ports = iter([taken_port, taken_port, choose_port()])
    monkeypatch.setattr(process, "choose_port", lambda: next(ports))
    with MinioServer(tmp_path, program=make_minio()) as server:
        assert not server.url.endswith(f":{taken_port}")
    monkeypatch.setattr(process, "choose_port", lambda: taken_port)
    with pytest.raises(ServerError, match="no free port"):
        MinioServer(tmp_path / "other", program=make_minio()).start()


def test_a_stranger_that_answers_on_the_port_is_not_taken_for_ours(
    make_minio: MakeMinio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers raced for one port: the other one answers the probe, healthy, while ours has not found out yet."""
    with MinioServer(tmp_path / "stranger", program=make_minio()) as stranger:
        ports = iter([int(stranger.url.rpartition(":")[2]), choose_port()])
        monkeypatch.setattr(process, "choose_port", lambda: next(ports))
        slow = make_minio(before="time.sleep(1.0)")
        with MinioServer(tmp_path / "ours", program=slow) as ours:
            assert ours.url != stranger.url


def test_the_last_port_of_a_folder_is_used_again_only_while_it_is_free(make_minio: MakeMinio, tmp_path: Path) -> None:
    program = make_minio()
    with MinioServer(tmp_path, program=program) as server:
        first = server.url
    with MinioServer(tmp_path, program=program) as server:
        assert server.url == first
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(first.rpartition(":")[2])))
        other.listen()
        assert not is_free(int(first.rpartition(":")[2]))
        with MinioServer(tmp_path, program=program) as server:
            assert server.url != first


def test_a_folder_that_cannot_be_one_is_named(make_minio: MakeMinio, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="file/m"):
        MinioServer(tmp_path / "file/m", program=make_minio()).start()


def test_nobody_answers_on_a_free_port() -> None:
    assert not answers(choose_port(), "/")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder, make: folder / "missing", "no such file"),
        (lambda folder, make: folder, "not an executable file"),
        (lambda folder, make: make("minio", "print('mc version RELEASE.2025')"), "mc version RELEASE.2025"),
        (lambda folder, make: make("minio", "import sys; print('minio version X'); sys.exit(4)"), "exit code 4"),
    ],
)
def test_a_setting_that_does_not_name_minio_says_why(
    make: Callable[[Path, object], Path], reason: str, tmp_path: Path, make_program: object
) -> None:
    program = make(tmp_path, make_program)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        MinioServer(tmp_path / "m", program=program).start()
    assert str(program) in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_executable_or_not_a_program_says_so(tmp_path: Path) -> None:
    program = tmp_path / "minio"
    program.write_bytes(b"\x7fELF half of it")
    with pytest.raises(ConfigurationError, match="not an executable file"):
        MinioServer(tmp_path / "m", program=program).start()
    program.chmod(0o755)
    with pytest.raises(ConfigurationError, match="cannot be run"):
        MinioServer(tmp_path / "m", program=program).start()


def test_a_program_that_does_not_tell_its_version_is_refused(
    make_program: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_PROBE_TIMEOUT_S", 0.3)
    with pytest.raises(ConfigurationError, match="did not tell its version"):
        MinioServer(tmp_path / "m", program=make_program("minio", "import time; time.sleep(30)")).start()


def test_a_temporary_server_cannot_outlive_its_process(make_minio: MakeMinio) -> None:
    """Its folder goes with the process."""
    with MinioServer(program=make_minio()) as server, pytest.raises(UsageError, match="temporary folder"):
        server.detach()


def test_who_listens_is_told_by_process(make_minio: MakeMinio, tmp_path: Path) -> None:
    with MinioServer(tmp_path, program=make_minio()) as server:
        port = int(server.url.rpartition(":")[2])
        assert listens(server.pid, port)
        assert not listens(os.getpid(), choose_port())
        pid = server.pid
    assert not listens(pid, port)
