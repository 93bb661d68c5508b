"""Asking a Go for its version leaves nothing behind in the user's home folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lakehouse_sdk.servers.toolchain import find_go


def test_go_is_asked_for_its_version_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go counts each of its runs below the home folder, even `go version`, unless there is none."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    leave_a_trace = 'mkdir -p "${XDG_CONFIG_HOME:-${HOME:-/nowhere}/.config}/go/telemetry" 2>/dev/null'
    go.write_text(f"#!/bin/sh\n{leave_a_trace}\necho go version go1.30.1 x/y\n")
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    found = find_go()
    assert found is not None
    assert found.version == "1.30.1"
    assert list(home.iterdir()) == []
