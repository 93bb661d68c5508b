"""Runs the validation notebooks and writes the report; the only importer of papermill.

Belongs here: what a notebook records (`Checks`, `show_panel`), running it in a kernel of its own, the report as notebook,
page and JSON. Must not: deciding what is correct, which is the notebook's part (`validation/`, shipped with the package).

Read `Check` first, then `run_validation`. Importing this package loads neither papermill nor nbconvert, because the notebook
itself imports it.
"""

from lakehouse_sdk.acceptance.checks import Check, Checks
from lakehouse_sdk.acceptance.notebooks import find_notebook, list_notebooks
from lakehouse_sdk.acceptance.panels import show_panel
from lakehouse_sdk.acceptance.report import SCHEMA, CellError, ValidationReport
from lakehouse_sdk.acceptance.runner import run_validation
from lakehouse_sdk.acceptance.timeouts import Timeouts

__all__ = [
    "SCHEMA",
    "CellError",
    "Check",
    "Checks",
    "Timeouts",
    "ValidationReport",
    "find_notebook",
    "list_notebooks",
    "run_validation",
    "show_panel",
]
