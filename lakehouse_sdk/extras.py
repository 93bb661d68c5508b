"""Libraries of the extra `tables`: what is said when they are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse_sdk.errors import ConfigurationError

_LIBRARIES = frozenset({"duckdb", "polars", "pyiceberg", "pyiceberg_core", "sqlalchemy"})


@contextmanager
def tables_extra() -> Iterator[None]:
    """Turn the import error of a library of the extra into the next step.

    Raises:
        ConfigurationError: A library of the extra `tables` is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        raise ConfigurationError(
            f"Tables need {library}, which comes with the extra 'tables'.", hint="pip install 'lakehouse-sdk[tables]'"
        ) from error
