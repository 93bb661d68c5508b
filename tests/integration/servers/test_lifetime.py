"""Nothing is orphaned, nobody else is ended: starters that return, crash, are interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_sdk.errors import ServerError
from lakehouse_sdk.servers import LocalServers, MinioServer, child
from lakehouse_sdk.servers.child import Child, end_group
from lakehouse_sdk.servers.record import find_birth
from lakehouse_sdk.storage import S3Client

Alive = Callable[[int], bool]
Wait = Callable[[Callable[[], bool], float], None]
Start = Callable[..., "subprocess.Popen[str]"]

SERVE = """
    import os, time
    from pathlib import Path
    from lakehouse_sdk.servers import MinioServer
    server = MinioServer(program=Path(os.environ["LAKEHOUSE_SERVERS__S3"])).start()
    print(server.pid, server.data_dir, flush=True)
"""


def read_server(process: subprocess.Popen[str]) -> tuple[int, Path]:
    """The process id and the folder of the server that a script started."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.split()[0].isdigit(), line + process.stdout.read()
    pid, _, folder = line.strip().partition(" ")
    return int(pid), Path(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_starter_that_is_killed_takes_its_server_along(
    number: int, start_script: Start, is_alive: Alive, wait_until: Wait
) -> None:
    starter = start_script(SERVE + "    time.sleep(60)\n")
    pid, folder = read_server(starter)
    assert is_alive(pid)
    os.kill(starter.pid, number)
    wait_until(lambda: not is_alive(pid), 30)
    wait_until(lambda: not folder.exists(), 30)


def test_ctrl_c_in_a_terminal_ends_starter_and_server(start_script: Start, is_alive: Alive, wait_until: Wait) -> None:
    """The terminal sends SIGINT to the whole foreground group; the server gets its end from the starter alone."""
    body = SERVE + "    with server:\n        time.sleep(60)\n"
    starter = start_script(body)
    pid, folder = read_server(starter)
    os.killpg(starter.pid, signal.SIGINT)
    starter.wait(60)
    assert not is_alive(pid)
    assert not folder.exists()


def test_a_starter_that_forgets_to_stop_leaves_nothing(start_script: Start, is_alive: Alive, wait_until: Wait) -> None:
    starter = start_script(SERVE)
    pid, folder = read_server(starter)
    starter.wait(60)
    wait_until(lambda: not is_alive(pid) and not folder.exists(), 30)


def test_a_fork_that_holds_the_pipe_does_not_keep_the_server(start_script: Start, is_alive: Alive, wait_until: Wait) -> None:
    """A process pool of the starter inherits the write end; the watchdog looks for the parent too."""
    body = SERVE + "    if os.fork() == 0:\n        time.sleep(30)\n        os._exit(0)\n    time.sleep(60)\n"
    starter = start_script(body)
    pid, _ = read_server(starter)
    time.sleep(0.3)
    os.kill(starter.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), 30)
    os.killpg(starter.pid, signal.SIGKILL)


def test_a_fork_that_stops_its_copy_stops_nothing(tmp_path: Path) -> None:
    with MinioServer(tmp_path / "m") as server, LocalServers(tmp_path / "l") as servers:
        pid = os.fork()
        if pid == 0:
            server.stop()
            servers.stop()
            os._exit(0)
        os.waitpid(pid, 0)
        assert server.running
        assert servers.running


def test_a_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """The kernel's parent-death signal would end it here."""
    server = MinioServer(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert server.running
    with S3Client(server.profile) as s3:
        assert s3.list_buckets() == []
    server.stop()


def run_child(tmp_path: Path, code: str, **options: float) -> Child:
    """Python code as a tied child; returns once it has said `ready`."""
    log = tmp_path / "log"
    started = Child([sys.executable, "-ISc", code], env=os.environ, log_file=log, **options)  # type: ignore[arg-type]
    deadline = time.monotonic() + 60
    while "ready" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    return started


def test_a_program_that_ignores_the_polite_signal_is_killed_after_the_grace(tmp_path: Path, is_alive: Alive) -> None:
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    stubborn = run_child(tmp_path, code, grace_s=0.5)
    began = time.monotonic()
    stubborn.stop()
    assert 0.5 <= time.monotonic() - began < 20
    assert not is_alive(stubborn.pid)


def test_what_a_program_started_ends_with_it(tmp_path: Path, is_alive: Alive, wait_until: Wait) -> None:
    code = (
        "import subprocess,sys,time; p=subprocess.Popen([sys.executable,'-ISc','import time; time.sleep(60)']);"
        "print(p.pid, 'ready', flush=True); time.sleep(60)"
    )
    parent = run_child(tmp_path, code)
    grandchild = int((tmp_path / "log").read_text().split()[0])
    assert is_alive(grandchild)
    parent.stop()
    wait_until(lambda: not is_alive(grandchild), 30)


def test_the_exit_code_tells_how_a_program_ended(tmp_path: Path, wait_until: Wait) -> None:
    finished = run_child(tmp_path, "import sys; print('ready', flush=True); sys.exit(7)")
    wait_until(lambda: finished.poll() is not None, 30)
    assert finished.poll() == 7
    killed = run_child(tmp_path, "import os; print('ready', flush=True); os.kill(os.getpid(), 9)")
    wait_until(lambda: killed.poll() is not None, 30)
    assert killed.poll() == 128 + 9
    missing = Child(["/there/is/no/such/program"], env=os.environ, log_file=tmp_path / "log")
    wait_until(lambda: missing.poll() is not None, 30)
    assert missing.poll() == 127
    assert "/there/is/no/such/program" in (tmp_path / "log").read_text()
    for ended in (finished, killed, missing):
        ended.stop()


def test_a_stopped_watchdog_does_not_hold_up_the_end(tmp_path: Path, is_alive: Alive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_SLACK_S", 0.5)
    program = run_child(tmp_path, "import time; print('ready', flush=True); time.sleep(60)", grace_s=0.2)
    os.kill(program._watchdog.pid, signal.SIGSTOP)
    program.stop()
    assert not is_alive(program.pid)


def test_a_watchdog_that_cannot_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child.sys, "executable", "/bin/false")
    with pytest.raises(ServerError, match="did not start"):
        Child(["/bin/true"], env=os.environ, log_file=tmp_path / "log")


def test_a_released_program_lives_on_and_is_found_by_its_birth(tmp_path: Path, is_alive: Alive) -> None:
    program = run_child(tmp_path, "import time; print('ready', flush=True); time.sleep(60)")
    birth = program.birth
    program.release()
    program.stop()
    assert is_alive(program.pid)
    assert end_group(program.pid, birth)
    assert not is_alive(program.pid)


def test_a_process_that_only_has_the_same_id_is_left_alone() -> None:
    """After a restart of the machine the id of a server belongs to somebody else."""
    with subprocess.Popen([sys.executable, "-ISc", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        assert not end_group(stranger.pid, "another boot:17")
        assert not end_group(stranger.pid, None)
        assert find_birth(stranger.pid) is not None
        stranger.kill()


def test_local_servers_are_for_this_process_and_their_folder_goes_with_them() -> None:
    servers = LocalServers()
    stack = servers.start()
    try:
        assert servers.start() == stack
        assert servers.running
        assert stack.path.is_dir()
        assert stack.catalog_uri == f"sqlite:///{stack.path}/catalog.db"
        assert stack.secret_key not in repr(stack)
    finally:
        servers.stop()
    servers.stop()
    assert not servers.running
    assert not stack.path.exists()


def test_local_servers_keep_a_folder_that_was_named(tmp_path: Path) -> None:
    with LocalServers(tmp_path / "lake") as servers:
        first = servers.start()
    again = LocalServers(tmp_path / "lake")
    assert again.start() == first
    again.stop()


def test_local_servers_that_were_never_stopped_end_with_the_interpreter(
    start_script: Start, is_alive: Alive, wait_until: Wait
) -> None:
    body = """
        import os
        from pathlib import Path
        from lakehouse_sdk.servers import LocalServers
        servers = LocalServers(s3=os.environ["LAKEHOUSE_SERVERS__S3"])
        stack = servers.start()
        print(servers._servers[0].pid, stack.path, flush=True)
    """
    starter = start_script(body)
    pid, folder = read_server(starter)
    assert starter.wait(60) == 0
    assert not is_alive(pid)
    assert not folder.exists()


def test_local_servers_that_cannot_start_leave_nothing(tmp_path: Path, make_minio: Callable[..., Path]) -> None:
    servers = LocalServers(tmp_path / "lake", s3=str(make_minio(before="sys.exit(1)")))
    with pytest.raises(ServerError):
        servers.start()
    assert not servers.running
