"""Which notebooks there are, what they may be told, and in which state they are kept."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from pydantic import SecretStr

from lakehouse_sdk.acceptance import find_notebook, list_notebooks, notebooks
from lakehouse_sdk.acceptance.notebooks import check_parameters
from lakehouse_sdk.errors import NotFoundError, UsageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    cell = nbformat.v4.new_code_cell("x = 1\nwhere = None", metadata={"tags": ["parameters"]})
    made = nbformat.v4.new_notebook(
        cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    )
    nbformat.write(made, tmp_path / "mine.ipynb")
    return tmp_path / "mine.ipynb"


def test_the_acceptance_notebook_is_found_by_name() -> None:
    assert "acceptance" in list_notebooks()
    assert find_notebook("acceptance") == ROOT / "validation" / "acceptance.ipynb"


def test_an_installed_package_finds_what_the_wheel_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notebook: Path
) -> None:
    shipped = tmp_path / "_shipped" / "validation"
    shipped.mkdir(parents=True)
    notebook.rename(shipped / "mine.ipynb")
    monkeypatch.setattr(notebooks, "files", lambda package: tmp_path)
    assert list_notebooks() == ["mine"]
    assert find_notebook("mine") == shipped / "mine.ipynb"


def test_a_notebook_of_ones_own_is_found_by_path(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(notebook.parent)
    assert find_notebook("mine.ipynb") == notebook


@pytest.mark.parametrize("name", ["nothing", "nothing.ipynb", "../validation/acceptance", ""])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(NotFoundError, match=r"Known: .*acceptance"):
        find_notebook(name)


def test_parameters_are_checked_by_name_and_made_writable(notebook: Path) -> None:
    given = {"x": [1, {"a": (Path("/b"), None)}], "where": Path("/lake.toml")}
    assert check_parameters(notebook, given) == {"x": [1, {"a": ["/b", None]}], "where": "/lake.toml"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"y": 1}, "no parameter 'y'. It takes: x, where"),
        ({"x": SecretStr("hush")}, "is a secret"),
        ({"x": object()}, "cannot be a object"),
        ({"x": [SecretStr("hush")]}, "SecretStr"),
    ],
)
def test_a_wrong_parameter_is_refused_and_a_secret_never_quoted(
    notebook: Path, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_parameters(notebook, parameters)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "path", sorted([*(ROOT / "validation").glob("*.ipynb"), *(ROOT / "notebooks").glob("*.ipynb")]), ids=lambda path: path.name
)
def test_notebooks_are_kept_without_outputs_and_run_anywhere(path: Path) -> None:
    """What is committed has no output, no execution count, a neutral kernel, and is valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"papermill", "widgets"} & set(notebook.metadata)
    if path.parent.name == "validation":
        assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code) == 1
    assert json.loads(path.read_text())["nbformat"] == 4
    for cell in code:
        compile(cell.source, str(path), "exec")
