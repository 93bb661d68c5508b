"""What one call works with, opened once: ledger, catalogue, requests to the lake, connectors.

A job that calls others hands its session down in the place of the settings, so that one `load` opens each part at most once.
Transfers keep connections of their own, because a run can be interrupted without its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import get_connector
from lakehouse_sdk.storage import S3Client

if TYPE_CHECKING:
    from lakehouse_sdk.archives import SourceConnector
    from lakehouse_sdk.archives.ledger import Ledger
    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.tables import TableCatalog


@dataclass(frozen=True)
class Session:
    """Parts are opened when first asked for, and closed together; use it in `open_session`.

    Attributes:
        settings: What everything is reached by.
    """

    settings: Settings
    _open: ExitStack = field(default_factory=ExitStack, repr=False)
    _connectors: dict[str, SourceConnector] = field(default_factory=dict, repr=False)
    _clients: dict[str, S3Client] = field(default_factory=dict, repr=False)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of archives.

        Raises:
            ConfigurationError: `catalog.uri` is not set: the ledger lives there.
        """
        from lakehouse_sdk.archives.sql_ledger import open_ledger  # noqa: PLC0415 (loads SQLAlchemy)

        return self._open.enter_context(open_ledger(self.settings))

    @cached_property
    def catalog(self) -> TableCatalog:
        """The catalogue of tables.

        Raises:
            ConfigurationError: No catalogue is set, or the extra `tables` is not installed.
        """
        from lakehouse_sdk.tables import open_catalog  # noqa: PLC0415 (loads Iceberg and Arrow)

        return self._open.enter_context(open_catalog(self.settings))

    @property
    def client(self) -> S3Client:
        """Requests to the lake's own server."""
        return self.client_of("")

    def client_of(self, profile: str) -> S3Client:
        """Requests to the server of a profile; empty for the lake's own."""
        if profile not in self._clients:
            self._clients[profile] = self._open.enter_context(S3Client(self.settings.profile(profile)))
        return self._clients[profile]

    def connector(self, source: str) -> SourceConnector:
        """The connector of a source.

        Raises:
            UsageError: No connector of that name is installed.
            ConfigurationError: It does not load.
        """
        if source not in self._connectors:
            self._connectors[source] = get_connector(source, self.settings)
        return self._connectors[source]

    def close(self) -> None:
        """Close what was opened."""
        self._open.close()


@contextmanager
def open_session(settings: Settings | Session) -> Iterator[Session]:
    """A session for one call; one that is open already is passed through, and closed by whoever opened it."""
    if isinstance(settings, Session):
        yield settings
        return
    session = Session(settings)
    with closing(session):
        yield session
