"""Bring `constraints.txt` up to date with `pyproject.toml`: one version of everything, for every supported Python.

Guarantee: the file holds names, versions and markers, and nothing else; it is replaced only by a complete resolution. Versions
stay as they are where they still satisfy `pyproject.toml`, unless `--upgrade` asks for the newest.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"

HELD = {
    "prefect": "3.8.8",  # what the flows are tested with; 3.9 is a decision, not an upgrade
    "fastapi": "0.149.0",  # Prefect 3.8.8 does not bound it, and its server fails to import from 0.155 on
    "starlette": "1.10.0",  # as fastapi: the server fails to import with 0.52
}
"""Versions that an upgrade leaves alone, each with its reason."""

LINE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*==[0-9A-Za-z.+!]+(?: ; [A-Za-z0-9_ .'<>=!()]+)?")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".constraints-") as folder:
        scratch, held = Path(folder, "constraints.txt"), Path(folder, "held.txt")
        if CONSTRAINTS.exists():
            shutil.copy(CONSTRAINTS, scratch)
        held.write_text("".join(f"{name}=={version}\n" for name, version in HELD.items()), encoding="utf-8")
        resolve(scratch, held, upgrade=upgrade)
        foreign = [line for line in scratch.read_text(encoding="utf-8").splitlines() if not LINE.fullmatch(line)]
        if foreign:
            print(f"Not written: {foreign[0]!r} is more than a name, a version and a marker.", file=sys.stderr)
            return 1
        scratch.replace(CONSTRAINTS)
    return 0


def resolve(target: Path, held: Path, *, upgrade: bool) -> None:
    """Resolve all extras of pyproject.toml into `target`, which also holds the versions to prefer."""
    options = ["--universal", "--python-version", "3.11", "--all-extras", "--no-header", "--no-annotate", "--quiet"]
    command: list[str | Path] = [
        Path(sys.executable).with_name("uv"),
        "pip",
        "compile",
        *options,
        "--constraints",
        held,
        "--output-file",
        target,
    ]
    subprocess.run(
        [*command, *(["--upgrade"] if upgrade else []), "pyproject.toml"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    sys.exit(main())
