"""Installed, not only cloned: the wheel in an empty environment, away from the checkout, with an empty home folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse_sdk.servers import ensure_minio

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.deep, pytest.mark.timeout(900), pytest.mark.xdist_group("wheel")]


@dataclass(frozen=True)
class Installation:
    """An environment that knows the SDK only as a wheel."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str | Path) -> str:
        """Run a program of the environment from an empty folder; returns what it printed."""
        program, *arguments = command
        called = [self.folder / "venv/bin" / program, *arguments]
        done = subprocess.run(called, cwd=self.folder / "cwd", env=self.env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, *what: str | Path) -> None:
        """Install at the pinned versions."""
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", self.folder / "venv/bin/python"]
        subprocess.run(
            [*uv, "--constraint", ROOT / "constraints.txt", *what], check=True, env={**os.environ, "VIRTUAL_ENV": ""}
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as a packager would."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel without extras, and nothing of the developer's environment but MinIO's program (minutes to build)."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("cwd", "home"):
        (folder / name).mkdir()
    env = {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'venv/bin'}:/usr/bin:/bin",
        "LAKEHOUSE_SERVERS__S3": str(ensure_minio()),
    }
    subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", folder / "venv", "--python", sys.executable], check=True)
    made = Installation(folder, env)
    made.install(wheel)
    return made


def test_wheel_holds_the_package_with_its_notebooks_and_nothing_of_the_workshop(wheel: Path) -> None:
    """`validation/` and `notebooks/` travel with the code; tests, tools and reports stay at home."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"lakehouse_sdk", f"{wheel.stem.rsplit('-', 3)[0]}.dist-info"}
    assert "lakehouse_sdk/py.typed" in names
    tracked = subprocess.run(
        ["git", "ls-files", "validation", "notebooks"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    shipped = {name.removeprefix("lakehouse_sdk/_shipped/") for name in names if "_shipped/" in name}
    assert shipped == {name for name in tracked if name.endswith(".ipynb")}
    assert not [name for name in names if "__pycache__" in name]


def test_command_line_works_without_extras(installation: Installation) -> None:
    assert "lakehouse" in installation.run("lakehouse", "--help")
    assert "storage.endpoint_url" in installation.run("lakehouse", "config", "show", "--origin")


@pytest.mark.parametrize(
    ("program", "extra"),
    [
        ("import lakehouse_sdk.flows", "flows"),
        ("import lakehouse_sdk; lakehouse_sdk.connect().table('silver.klines')", "tables"),
        ("from lakehouse_sdk.testing import ConnectorSuite", "testing"),
    ],
)
def test_what_is_missing_says_which_extra_has_it(installation: Installation, program: str, extra: str) -> None:
    """One sentence and the next step, not an import error three packages down."""
    code = f"from lakehouse_sdk.errors import ConfigurationError\ntry:\n    {program}\nexcept ConfigurationError as e: print(e)"
    assert f"lakehouse-sdk[{extra}]" in installation.run("python", "-c", code)


def test_servers_go_up_are_found_and_go_down(installation: Installation) -> None:
    """`lakehouse up`, then `connect()` without arguments in another process, then `lakehouse down`."""
    program = """
import lakehouse_sdk
lake = lakehouse_sdk.connect()
lake.fs.mkdir("wheel-test")
lake.fs.pipe("wheel-test/greeting", b"hello")
print(lake.fs.cat("lakehouse://wheel-test/greeting").decode())
"""
    try:
        installation.run("lakehouse", "up")
        assert installation.run("python", "-c", program) == "hello\n"
        installation.run("lakehouse", "status")
    finally:
        installation.run("lakehouse", "down")


def test_local_lakehouse_lives_as_long_as_its_block(installation: Installation) -> None:
    """`with local()` gives a server that answers, and takes it away."""
    program = """
import lakehouse_sdk, urllib.error, urllib.request
with lakehouse_sdk.local() as lake:
    lake.fs.mkdir("bucket")
    print(lake.fs.ls("", detail=False))
    address = lake.settings.storage.endpoint_url + "/minio/health/live"
    urllib.request.urlopen(address)
try:
    urllib.request.urlopen(address)
except urllib.error.URLError:
    print("gone")
"""
    assert installation.run("python", "-c", program) == "['bucket']\ngone\n"


def test_fsspec_finds_the_protocol_by_its_entry_point(installation: Installation) -> None:
    program = "import fsspec; print(fsspec.get_filesystem_class('lakehouse').__name__)"
    assert installation.run("python", "-c", program) == "LakehouseFileSystem\n"


def test_extras_bring_the_test_kit_and_the_validation(installation: Installation, wheel: Path) -> None:
    """With `[all]`: archives are published and read, and the shipped notebooks are found."""
    installation.install(f"{wheel}[all]")
    installation.run("lakehouse", "validate", "--help")
    program = "from lakehouse_sdk.acceptance import find_notebook; print(find_notebook('acceptance'))"
    assert Path(installation.run("python", "-c", program).strip()).is_relative_to(installation.folder / "venv")
    program = "from lakehouse_sdk.testing import demo_mirror, publish_mirror; print(type(demo_mirror()).__name__)"
    assert installation.run("python", "-c", program) == "MirrorSpec\n"


def test_nothing_appeared_in_the_home_folder_but_the_cache(installation: Installation) -> None:
    """Runs last: by now every command above has had its chance to leave something."""
    assert {entry.name for entry in Path(installation.env["HOME"]).iterdir()} <= {".cache"}
    assert not [entry.name for entry in (installation.folder / "cwd").iterdir() if entry.name != ".lakehouse"]
