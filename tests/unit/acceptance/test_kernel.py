"""The private kernel before it starts: what is missing is said, and nothing of it stays; importing the package stays cheap."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from lakehouse_sdk.acceptance import environment
from lakehouse_sdk.acceptance.kernel import PrivateKernel
from lakehouse_sdk.errors import ConfigurationError


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_the_extra_the_error_names_it_and_no_folder_stays(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    with pytest.raises(ConfigurationError, match=r"ipykernel.*lakehouse-sdk\[report\]"):
        PrivateKernel()
    assert list(scratch.iterdir()) == []


def test_a_kernel_that_was_never_started_can_be_killed_and_its_folder_goes(scratch: Path) -> None:
    with PrivateKernel() as kernel:
        (folder,) = scratch.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        kernel.kill()
    assert list(scratch.iterdir()) == []


def test_a_temporary_folder_too_deep_for_sockets_falls_back_to_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    for folder, transport in ((Path("/tmp"), "ipc"), (deep, "tcp")):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with PrivateKernel() as kernel:
            assert kernel.manager_class(kernel_name="python3").transport == transport


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(environment, "version", missing)
    assert environment.describe_environment()["packages"] == {}


def test_importing_the_package_loads_nothing_heavy() -> None:
    """The notebook under test imports it, too."""
    program = (
        "import sys, lakehouse_sdk.acceptance, lakehouse_sdk.notebook, lakehouse_sdk.display\n"
        "heavy = {'papermill', 'nbconvert', 'nbformat', 'IPython', 'jinja2', 'pandas', 'rich.progress'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
