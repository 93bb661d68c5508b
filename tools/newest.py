"""Run tests on what is newest: `python` on the newest interpreter of this machine, `packages` with the newest allowed versions.

    python tools/newest.py python -m "not deep" tests/unit
    python tools/newest.py packages -m "not deep"

Each has an environment of its own beside `.venv`, made again when `pyproject.toml` changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = [sys.executable, "-m", "uv"]


def main() -> int:
    what, *arguments = sys.argv[1:]
    if what == "python":
        interpreter = find_newest()
        if interpreter is None:
            print("No Python newer than the one of .venv is on this machine: nothing was tried on one.")
            return 0
    else:
        interpreter = Path(sys.executable)
    python = prepare(ROOT / f".venv-newest-{what}", interpreter, pinned=what == "python")
    print(subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip(), flush=True)
    return subprocess.run([python, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def prepare(folder: Path, interpreter: Path, *, pinned: bool) -> Path:
    """Python of an environment with this checkout, all extras and the test tools."""
    python, stamp = folder / "bin/python", folder / "made-from"
    wanted = f"{interpreter}\n{(ROOT / 'pyproject.toml').read_text(encoding='utf-8')}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted or not pinned:
        subprocess.run([*UV, "venv", "--quiet", "--clear", "--seed", "--python", interpreter, folder], check=True)
        pins = ["--constraint", "constraints.txt"] if pinned else ["--upgrade"]
        install: list[str | Path] = [*UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *pins]
        subprocess.run([*install, "--editable", ".[all,dev]"], cwd=ROOT, check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def find_newest() -> Path | None:
    """The newest interpreter on PATH or of pyenv, where it is newer than this one."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += sorted((Path.home() / ".pyenv/versions").glob("*/bin"))
    found: dict[tuple[int, int], Path] = {}
    for folder in folders:
        for program in folder.glob("python3.*"):
            match = re.fullmatch(r"python3\.(\d+)", program.name)
            if match and (3, int(match[1])) > sys.version_info[:2] and answers(program):
                found[3, int(match[1])] = program
    return found[max(found)] if found else None


def answers(program: Path) -> bool:
    """False for a shim that leads nowhere."""
    return subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
