"""Promises of the package's shape that import-linter cannot express."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "lakehouse_sdk"

HEAVY = {"IPython", "botocore", "duckdb", "fastapi", "pandas", "papermill", "polars", "prefect", "pyarrow", "pyiceberg", "s3fs"}

PURE = [
    "transfer/plan/diff.py",
    "archives/binance/layout.py",
    "archives/coinbase/layout.py",
    "archives/ftx/layout.py",
    "archives/cadence.py",
    *(path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.glob("tables/layout/formats/*.py"))),
    *(path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.glob("tables/judge/rules/*.py"))),
]
DOES_IO = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "unlink",
    "mkdir",
    "iterdir",
    "glob",
    "urlopen",
    "print",
}


def list_loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `code`."""
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_import_of_the_package_loads_nothing_heavy() -> None:
    """Its time is a benchmark's affair; what it loads is not."""
    assert not list_loaded("import lakehouse_sdk") & (HEAVY | {"fsspec", "ipywidgets", "pydantic", "urllib3"})


def test_connecting_loads_nothing_heavy() -> None:
    """A lakehouse reads its settings and no more; the stages load when they are used."""
    assert not list_loaded("import lakehouse_sdk; lakehouse_sdk.connect(storage={'region': 'x'})") & (HEAVY - {"botocore"})


def test_planning_a_transfer_loads_no_s3fs() -> None:
    assert not list_loaded("import lakehouse_sdk.transfer") & (HEAVY - {"botocore"})


def test_jobs_and_command_line_load_no_framework() -> None:
    """`lakehouse --help` and a script that syncs do not wait for Prefect, papermill or Iceberg."""
    assert not list_loaded("import lakehouse_sdk.jobs, lakehouse_sdk.cli.app") & {
        "prefect",
        "papermill",
        "pyiceberg",
        "IPython",
    }


@pytest.mark.parametrize("name", PURE)
def test_pure_module_opens_nothing(name: str) -> None:
    """import-linter forbids the modules that do I/O; `open` needs none."""
    calls = [node.func for node in ast.walk(ast.parse((PACKAGE / name).read_text())) if isinstance(node, ast.Call)]
    names = {
        call.id if isinstance(call, ast.Name) else call.attr for call in calls if isinstance(call, ast.Name | ast.Attribute)
    }
    assert not names & DOES_IO


@pytest.mark.parametrize(
    "package", sorted(path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("*/__init__.py"))
)
def test_every_package_says_what_belongs_to_it(package: str) -> None:
    """Where it stands, what belongs, what must not, what to read first."""
    text = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text())) or ""
    for phrase in ("Belongs here:", "Must not:", "Read `"):
        assert phrase in " ".join(text.split()), f"{package}/__init__.py lacks “{phrase}”"


def test_every_folder_of_modules_is_a_package() -> None:
    """Without its `__init__.py` a folder still imports, and neither the wheel nor the contracts see it."""
    folders = {module.parent for module in PACKAGE.rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_git_ignores_no_module() -> None:
    """What is ignored exists here and in no clone: a rule for `build/` once took a package of that name."""
    names = [str(module) for module in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "tests").rglob("*.py")]]
    found = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=PACKAGE.parent,
        input="\n".join(names),
        check=False,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "")  # 1: none is ignored


def test_modules_stay_small_enough_to_be_read() -> None:
    """Split before 600 lines."""
    assert not {path.name: n for path in PACKAGE.rglob("*.py") if (n := len(path.read_text().splitlines())) > 500}


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "common", "manager", "misc"}
    assert not [path for path in PACKAGE.rglob("*.py") if path.stem in drawers]


def test_lazy_names_lead_to_what_the_type_checker_sees() -> None:
    """The table of the lazy loader and the imports for the type checker name the same modules."""
    package = importlib.util.find_spec("lakehouse_sdk")
    assert package is not None
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    typed = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    import lakehouse_sdk

    assert typed == lakehouse_sdk._HOMES
