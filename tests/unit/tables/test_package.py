"""The package loads its heavy libraries late, and says what is missing; its report adds up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import lakehouse_sdk.tables
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.extras import needs_extra
from lakehouse_sdk.tables import CommitReport, TableCommit
from lakehouse_sdk.tables.iceberg.report import DefectiveArchive


def test_every_name_can_be_imported_and_is_listed() -> None:
    for name in lakehouse_sdk.tables.__all__:
        assert getattr(lakehouse_sdk.tables, name).__module__.startswith("lakehouse_sdk.tables.")
    assert set(lakehouse_sdk.tables.__all__) <= set(dir(lakehouse_sdk.tables))
    assert sorted(lakehouse_sdk.tables.__all__) == lakehouse_sdk.tables.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lakehouse_sdk.tables.nothing  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, lakehouse_sdk.tables as t; t.SourceFile; t.get_format;"
        "print([m for m in ('polars', 'pyarrow', 'pandas', 'pyiceberg', 'duckdb', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("library", ["polars", "pyiceberg"])
def test_a_missing_library_names_the_extra(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; from lakehouse_sdk.tables import open_catalog"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"ConfigurationError: This needs {library}, which comes with the extra 'tables'." in done.stderr
    assert "pip install 'lakehouse-sdk[tables]'" in done.stderr


def test_other_missing_modules_are_not_blamed_on_the_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="pandas"), needs_extra():
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
    with pytest.raises(ModuleNotFoundError), needs_extra():
        raise ModuleNotFoundError("unnamed")
    with pytest.raises(ConfigurationError), needs_extra():
        raise ModuleNotFoundError("No module named 'duckdb.x'", name="duckdb.x")


def test_the_report_counts_data_rows_and_is_plain_json() -> None:
    report = CommitReport(
        archives=2,
        rows_in=10,
        rows_accepted=8,
        rows_quarantined=2,
        rejects={"number": 2},
        defects=(DefectiveArchive("a.zip", "zip-unreadable", "<b>"),),
        tables=(
            TableCommit("silver.klines", 7, 8, 1, 0, 1),
            TableCommit("silver.quarantine", 8, 2, 1, 0, 1),
            TableCommit("silver.quality", 9, 2, 1, 0, 1),
        ),
        seconds=1.5,
    )
    assert report.rows_written == 8
    values = json.loads(json.dumps(report.to_dict()))
    assert (values["rows_written"], values["tables"][0]["table"]) == (8, "silver.klines")
    assert "silver.quarantine" in report._repr_html_()
