"""The notebooks that travel with the package run from top to bottom on a machine where nothing else runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse_sdk.config import cache_dir
from lakehouse_sdk.servers import ensure_minio

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    """As `pytest --nbmake` runs it; Jupyter and IPython keep their files in the home folder, here an empty one."""
    ensure_minio()
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache_dir().parent)}
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "--nbmake", "--nbmake-timeout=300", notebook]
    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_is_stored_without_output(notebook: Path) -> None:
    """Outputs hold addresses of one machine, and make every diff unreadable."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")]
