"""The ends of series, in the order in which archives are built: first as the tables have them, then as the build goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse_sdk.archives import ArchiveObject, Series
from lakehouse_sdk.config import QualitySettings
from lakehouse_sdk.errors import NotFoundError

if TYPE_CHECKING:
    from lakehouse_sdk.tables import CheckedBatch, SourceFile, TableCatalog
    from lakehouse_sdk.tables.judge.continuity import Tail

_MOST_LOOKS = 32
"""Reads of tables for one build: archives from all over the calendar are judged among each other alone."""


class Tails:
    """What the first rows of each archive are judged against.

    Args:
        catalog: Where the tables are.
        limits: Thresholds.
        archives: What will be built; of each series the first one is judged against the table.
    """

    def __init__(self, catalog: TableCatalog, limits: QualitySettings, archives: Iterable[ArchiveObject]) -> None:
        self._catalog = catalog
        self._limits = limits
        self._tails: dict[Series, Tail | None] = {}
        first: dict[Series, datetime] = {}
        for archive in archives:
            start = first.get(archive.series, archive.period_start)
            first[archive.series] = min(start, archive.period_start)
        self._first = first
        self._looks = 0
        self._looked: set[tuple[str, str, str, str, datetime]] = set()

    def judge(self, batch: CheckedBatch) -> CheckedBatch:
        """The batch with what its first rows break together with those before it; it is the end of its series from now on."""
        from lakehouse_sdk.tables.judge.continuity import judge_after, read_tail  # noqa: PLC0415 (loads polars)

        series = _series(batch.file)
        if series not in self._tails:
            self._look(batch)
        before = self._tails.get(series)
        judged = judge_after(before, batch, self._limits)
        self._tails[series] = read_tail(batch.table, batch.accepted, before)
        return judged

    def _look(self, batch: CheckedBatch) -> None:
        """Read the ends of all series of a kind that begin at the same time in this build."""
        from lakehouse_sdk.tables.judge.continuity import TAIL_COLUMNS, find_lookback, read_tail  # noqa: PLC0415

        source, market, data_type, _, interval = _series(batch.file)
        start = self._first.get(_series(batch.file), batch.file.period_start)
        kind = (source, market, data_type, interval, start)
        lookback = find_lookback(batch.table, batch.file.interval, self._limits)
        if lookback is None or kind in self._looked or self._looks >= _MOST_LOOKS:
            return
        self._looked.add(kind)
        self._looks += 1
        wanted = {s[3] for s, begins in self._first.items() if begins == start and (*s[:3], s[4]) == kind[:4]}
        columns = [*TAIL_COLUMNS[batch.table], "symbol"]
        try:
            stored = self._catalog.load(batch.table).schema().column_names
            known = [name for name in columns if name in stored]
            scan = self._catalog.table(batch.table).scan_series(
                source=source,
                market=market,
                symbols=tuple(sorted(wanted)),
                interval=batch.file.interval,
                start=start - lookback,
                end=start,
                columns=known,
            )
            rows = scan.to_arrow()
        except NotFoundError:  # no such table, or none of the symbols
            return
        of_symbol: dict[str, list[int]] = defaultdict(list)
        for place, symbol in enumerate(rows["symbol"].to_pylist()):
            of_symbol[symbol].append(place)
        for symbol, places in of_symbol.items():
            own = rows.take(places).sort_by(TAIL_COLUMNS[batch.table][0])
            self._tails[source, market, data_type, symbol, interval] = read_tail(batch.table, own)


def _series(file: SourceFile) -> Series:
    return file.source, file.market, file.data_type, file.symbol, file.interval or ""
