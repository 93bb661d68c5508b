"""A folder of its own for every test of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; no `.env` or `lakehouse.toml` above it (pytest's temporary folders have none)."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("lakehouse_sdk.config.stack.cache_dir", lambda: tmp_path / "cache")
    return folder
