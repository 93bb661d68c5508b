"""Stage 1: what a source publishes, as a table that is listed when it is looked at."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Self

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Frequency, Oddity, Series, get_connector
from lakehouse_sdk.config import Settings
from lakehouse_sdk.display import format_bytes, format_count, html_card, html_table
from lakehouse_sdk.errors import LakehouseError, StorageError
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.jobs.session import Session

if TYPE_CHECKING:
    import pandas as pd

_PROGRESS_EVERY = 1000
_SHOWN = 10_000
"""Archives that are listed for a picture in Jupyter; more are said to be more."""


class Discovery:
    """What a source publishes for a query: iterate it, and the source is listed as you go, a million keys in little memory.

    Each iteration lists anew. `archives`, `oddities` and `total_bytes` list everything once and keep it (about 1 KB for an
    archive); from then on iterating gives the same again.

    Args:
        source: Name of the connector.
        query: What to look for; checked before the first request.
        settings: Where the source is.
        observer: Told as stage `discover` of each listing.
    """

    def __init__(
        self, source: str, query: ArchiveQuery, *, settings: Settings | Session, observer: Observer = ignore_events
    ) -> None:
        self.source = source
        self.query = query
        self._settings = settings
        self._observer = observer
        self._kept: tuple[ArchiveObject | Oddity, ...] | None = None
        self.listed_at: datetime | None = None
        """When the latest listing began; None before the first, and of a discovery that lists nothing."""
        self._connector = settings.connector(source) if isinstance(settings, Session) else get_connector(source, settings)
        self._connector.capabilities().select(query)

    def __iter__(self) -> Iterator[ArchiveObject | Oddity]:
        """Archives and oddities as `SourceConnector.discover` gives them.

        Raises:
            ConnectError, AccessError, StorageError: The source cannot be listed, or its connector is broken.
        """
        return iter(self._kept) if self._kept is not None else self._list()

    @property
    def archives(self) -> tuple[ArchiveObject, ...]:
        """All archives, those of a series together."""
        return tuple(found for found in self._keep() if isinstance(found, ArchiveObject))

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """Keys below the same prefixes that fit no published layout; nothing is done with them."""
        return tuple(found for found in self._keep() if isinstance(found, Oddity))

    @property
    def total_bytes(self) -> int:
        """Bytes of all archives, as listed."""
        return sum(archive.size_bytes for archive in self.archives)

    def narrowed(self, *, since: Mapping[tuple[Series, Frequency], datetime] | None = None, **changes: object) -> Discovery:
        """The same with another query: fields of `ArchiveQuery` by name, and a later start for single series."""
        query = replace(self.query, **changes, **({} if since is None else {"since": since}))  # type: ignore[arg-type]
        return Discovery(self.source, query, settings=self._settings, observer=self._observer)

    def to_pandas(self) -> pd.DataFrame:
        """One line for each archive, in order.

        Columns: `market`, `data_type`, `symbol`, `interval`, `frequency` (categories), `period_start`, `period_end`,
        `last_modified` (UTC), `size_bytes` (int64), `has_checksum` (bool), `etag`, `key` (text).
        """
        from lakehouse_sdk.jobs.collect.frames import archives_to_pandas  # noqa: PLC0415 (pandas loads when it is asked for)

        return archives_to_pandas(self.archives)

    def __repr__(self) -> str:
        query = self.query
        asked = f"{'+'.join(query.markets)} {'+'.join(query.data_types)}"
        listed = "" if self._kept is None else f", {format_count(len(self.archives))} archives"
        return f"<Discovery {self.source}: {asked}{listed}>"

    def _repr_html_(self) -> str:
        shown = list(islice(self, _SHOWN + 1)) if self._kept is None else list(self._kept)
        more = self._kept is None and len(shown) > _SHOWN
        if not more:
            self._kept = tuple(shown)
        archives = [found for found in shown if isinstance(found, ArchiveObject)]
        series = Counter((a.market, a.data_type, a.symbol, a.interval or "", a.frequency) for a in archives)
        first = "at least " if more else ""
        facts = {
            "archives": f"{first}{format_count(len(archives))}",
            "size": f"{first}{format_bytes(sum(archive.size_bytes for archive in archives))}",
            "odd keys": f"{first}{len(shown) - len(archives)}",
        }
        rows = [(*name, count) for name, count in series.items()]
        body = html_table(rows, ["market", "type", "symbol", "interval", "frequency", "archives"]) if rows else ""
        return html_card(f"Published by {self.source}", facts, body)

    def nothing(self) -> Discovery:
        """The same source, and nothing to look for: iterating it lists nothing."""
        empty = Discovery(self.source, self.query, settings=self._settings, observer=self._observer)
        empty._kept = ()
        return empty

    def listed(self) -> Self:
        """List everything now, keep it, and return this discovery."""
        self._keep()
        return self

    def _keep(self) -> tuple[ArchiveObject | Oddity, ...]:
        if self._kept is None:
            self._kept = tuple(self._list())
        return self._kept

    def _list(self) -> Iterator[ArchiveObject | Oddity]:
        """List the source, telling how far it is; whatever a connector raises becomes an error that names it."""
        started, archives, oddities, size_bytes = time.perf_counter(), 0, 0, 0
        self.listed_at = datetime.now(UTC)
        self._observer(StageStarted("discover", self.source))
        try:
            for found in self._connector.discover(self.query):
                if isinstance(found, Oddity):
                    oddities += 1
                else:
                    archives += 1
                    size_bytes += found.size_bytes
                    if archives % _PROGRESS_EVERY == 0:
                        note = f"{format_count(archives)} archives, at {found.key}"
                        self._observer(StageProgress("discover", archives, note=note))
                yield found
        except LakehouseError:
            raise
        except Exception as error:
            raise StorageError(
                f"The connector {self.source!r} broke while it listed: {type(error).__name__}: {error}",
                hint="Report it to the connector's author; nothing was copied.",
            ) from error
        summary = f"{format_count(archives)} archives, {format_bytes(size_bytes)}, {oddities} odd keys"
        self._observer(StageFinished("discover", time.perf_counter() - started, summary))


def discover_archives(
    query: ArchiveQuery, *, settings: Settings | Session, source: str = "binance", observer: Observer = ignore_events
) -> Discovery:
    """What `source` publishes for `query`, listed when it is looked at.

    Raises:
        UsageError: No connector of that name, or it does not have what the query names.
    """
    return Discovery(source, query, settings=settings, observer=observer)
