"""What readers ask of a catalogue, whatever holds it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from lakehouse_sdk.tables.read.table import Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable


class Tables(Protocol):
    """Tables by name; `tables.catalog.TableCatalog` is one."""

    def table(self, name: str) -> Table:
        """The table as it is now; raises `NotFoundError` where there is none."""


class IcebergTables(Tables, Protocol):
    """As `Tables`, with what lies below them."""

    def load(self, name: str) -> IcebergTable:
        """Pyiceberg's table as it is now; raises as `table`."""

    def storage_errors(self) -> AbstractContextManager[None]:
        """Inside it, what Arrow raises about the storage becomes the SDK's errors."""
