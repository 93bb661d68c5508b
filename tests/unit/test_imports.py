"""Public names: listed in order, and there."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import lakehouse_sdk

ROOT = Path(lakehouse_sdk.__file__).parent
PACKAGES = sorted(
    ".".join(("lakehouse_sdk", *file.parent.relative_to(ROOT).parts))
    for file in ROOT.rglob("__init__.py")
    if "_shipped" not in str(file)
)


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_sorted_and_resolve(name: str) -> None:
    package = importlib.import_module(name)
    names = getattr(package, "__all__", [])
    assert sorted(names, key=_isort_key) == list(names)
    assert [public for public in names if not hasattr(package, public)] == []


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order that ruff keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lakehouse_sdk.nothing  # type: ignore[attr-defined]


def test_tab_completion_shows_the_lazy_names() -> None:
    assert set(lakehouse_sdk.__all__) <= set(dir(lakehouse_sdk))
