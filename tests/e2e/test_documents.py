"""What README and docs say is true: their Python runs, their settings load, their generated pages are up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.servers import MinioServer, PrefectServer, ensure_minio
from lakehouse_sdk.testing import MirrorSpec, publish_mirror

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/index.md", *sorted((ROOT / "docs").glob("*/*.md"))]


def list_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def list_pages(language: str) -> list[Path]:
    return [page for page in PAGES if list_blocks(page, language)]


@pytest.fixture(scope="module")
def exchange(other_minio: MinioServer) -> MinioServer:
    """A server in the place of the exchange, with the month that the pages speak of."""
    spec = MirrorSpec(data_types=("klines", "aggTrades"), months=(date(2024, 1, 1),), trades_per_day=20)
    publish_mirror(other_minio.profile, "data.binance.vision", spec)
    return other_minio


@pytest.fixture
def empty_minio(tmp_path: Path) -> Iterator[MinioServer]:
    """A server for one page: two pages may make a bucket of the same name."""
    with MinioServer(tmp_path / "minio") as server:
        yield server


@pytest.mark.parametrize("page", list_pages("python"), ids=lambda page: page.name)
def test_python_of_a_page_runs_from_top_to_bottom(
    page: Path, exchange: MinioServer, empty_minio: MinioServer, tmp_path: Path
) -> None:
    """As a reader would run it, only that the exchange is on this machine."""
    access_key, secret_key = empty_minio.profile.credentials()
    text = page.read_text(encoding="utf-8")
    env = {
        "LAKEHOUSE_ARCHIVES__BINANCE__ENDPOINT_URL": exchange.endpoint_url,
        "LAKEHOUSE_ARCHIVES__BINANCE__REGION": "us-east-1",
        "LAKEHOUSE_SERVERS__S3": str(ensure_minio()),
    }
    if "lakehouse_sdk.local(" not in text:
        env |= {
            "LAKEHOUSE_STORAGE__ENDPOINT_URL": empty_minio.endpoint_url,
            "LAKEHOUSE_STORAGE__ACCESS_KEY": access_key,
            "LAKEHOUSE_STORAGE__SECRET_KEY": secret_key,
            "LAKEHOUSE_LAKE__BUCKET": f"page-{page.stem}",
            "LAKEHOUSE_CATALOG__URI": f"sqlite:///{tmp_path}/catalog.db",
        }
    with PrefectServer(tmp_path / "prefect") if "lakehouse_sdk.flows" in text else nullcontext() as prefect:
        if prefect is not None:
            env |= prefect.client_env()
        program = [sys.executable, "-c", "\n".join(list_blocks(page, "python"))]
        done = subprocess.run(program, cwd=tmp_path, env={**os.environ, **env}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_has_ten_lines_of_code() -> None:
    """Short enough to be read before anything is installed."""
    (block,) = list_blocks(ROOT / "README.md", "python")
    assert len([line for line in block.splitlines() if line.strip() and not line.startswith(("import", "from"))]) <= 10


@pytest.mark.parametrize("page", list_pages("toml"), ids=lambda page: page.name)
def test_settings_of_a_page_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in list_blocks(page, "toml"):
        file = tmp_path / "lakehouse.toml"
        file.write_text(block, encoding="utf-8")
        loaded = load_settings(config_file=file).model_dump()
        for group in tomllib.loads(block):
            assert loaded[group]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if "://" not in target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_exist(page: Path) -> None:
    """Every `make target` and `lakehouse command` that a page names."""
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    reference = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for command in re.findall(r"(?:^|`)lakehouse ([a-z]+)", text, re.MULTILINE):
        assert f"\n## lakehouse {command}\n" in reference, command


@pytest.mark.parametrize("name", ["settings.md", "cli.md"])
def test_generated_page_is_up_to_date(name: str) -> None:
    """`make docs` writes it."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from write_reference import render_pages
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs/reference" / name).read_text(encoding="utf-8") == render_pages()[name]
