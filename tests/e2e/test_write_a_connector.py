"""The page about connectors of one's own, carried out: its commands run as they stand, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/write-a-connector.md"
INSTALL = "pip install -e ."
REGISTER = """
import pathlib, sys, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
folder = pathlib.Path(sys.argv[1], f"my_exchange-{project['version']}.dist-info")
folder.mkdir(parents=True)
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n")
(group, entries), = project["entry-points"].items()
lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
(folder / "entry_points.txt").write_text("\\n".join(lines))
"""
"""What installing does that matters here; pip itself would change the environment of the tests, and ask a package index."""


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = "\n".join(blocks)
    assert script.count(INSTALL) == 1
    (tmp_path / "register.py").write_text(REGISTER)
    installed = tmp_path / "installed"
    script = script.replace(INSTALL, f"python {tmp_path}/register.py {installed}")
    path = [str(installed), str(tmp_path / "my-exchange"), str(ROOT)]
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path),
        "LAKEHOUSE_STORAGE__ANONYMOUS": "true",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=env, check=False, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 archives" in done.stdout
    assert "odd key trades/README" in done.stdout
    assert re.search(r"\d+ passed", done.stdout)
    assert "skipped" not in done.stdout
    assert "ExampleConnector" not in (tmp_path / "my-exchange/my_exchange/connector.py").read_text()
