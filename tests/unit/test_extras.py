"""What is said of a library that is not installed."""

from __future__ import annotations

import pytest

from lakehouse_sdk import extras
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.extras import check_extra, needs_extra


@pytest.mark.parametrize(("library", "extra"), [("prefect", "flows"), ("papermill.execute", "report"), ("polars", "tables")])
def test_it_names_the_extra_that_brings_it(library: str, extra: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"lakehouse-sdk\[{extra}\]"), needs_extra():
        raise ModuleNotFoundError(name=library)


def test_others_are_no_affair_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError), needs_extra():
        raise ModuleNotFoundError(name="numpy")


def test_it_can_be_asked_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    check_extra("testing")
    monkeypatch.setitem(extras.EXTRAS, "testing", ("no_such_library",))
    with pytest.raises(ConfigurationError, match="no_such_library"):
        check_extra("testing")
