"""What a connector promises of its listing: order, keys, series, periods, filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import groupby, pairwise
from typing import Any

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, Capabilities, Oddity, SourceConnector
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.testing.watch import watch_io

_UNKNOWN = "no-such-name"


class DiscoverySuite:
    """The part of `ConnectorSuite` that needs `discover` only; its fixtures are those of the whole suite.

    Attributes:
        entry_point: Name under which the connector is registered in the group `lakehouse_sdk.archives`.
    """

    entry_point: str

    @pytest.fixture
    def connector(self) -> SourceConnector:
        """A connector that was just made, so that nothing was asked of it before; overridden by the author."""
        raise NotImplementedError("Override the fixture `connector` of ConnectorSuite.")

    @pytest.fixture
    def query(self) -> ArchiveQuery:
        """A query that finds at least one archive; overridden by the author."""
        raise NotImplementedError("Override the fixture `query` of ConnectorSuite.")

    @pytest.fixture
    def known_key(self) -> str:
        """The key of an archive that the query finds; overridden by the author."""
        raise NotImplementedError("Override the fixture `known_key` of ConnectorSuite.")

    # -- what it finds --------------------------------------------------------------------------------------------------------

    def test_discover_is_lazy(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A source may hold millions of archives; nobody waits for those that are not asked for."""
        with watch_io() as seen:
            found = connector.discover(query)
        assert not seen, f"discover() promises to be lazy; before the first archive was asked for it did: {', '.join(seen)}."
        assert iter(found) is found, f"discover() promises an iterator, not a collection; it gave {type(found).__name__}."
        next(found, None)
        close = getattr(found, "close", None)
        if close is not None:
            close()

    def test_discover_finds_the_known_archive(self, connector: SourceConnector, query: ArchiveQuery, known_key: str) -> None:
        """The suite proves nothing over an empty listing."""
        keys = [archive.key for archive in find_archives(connector, query)]
        assert known_key in keys, f"discover() promises everything published; {known_key!r} is not among {len(keys)} keys."

    def test_discover_gives_the_same_order_every_time(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Plans and reports of two runs can be compared."""
        first, second = list(connector.discover(query)), list(connector.discover(query))
        assert first == second, f"discover() promises the same order in every run; {_first_difference(first, second)}."

    def test_discover_gives_each_key_once(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Counts and sizes would be wrong otherwise, and an archive copied twice."""
        keys = sorted(entry.key for entry in connector.discover(query))
        twice = [key for key, group in groupby(keys) if len(list(group)) > 1]
        assert not twice, f"discover() promises each key once; these came again: {twice[:3]}."

    def test_archives_of_a_series_follow_each_other(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """The choice between daily and monthly files holds one series in memory, not all."""
        runs = [series for series, _ in groupby(archive.series for archive in find_archives(connector, query))]
        torn = sorted({series for series in runs if runs.count(series) > 1})
        assert not torn, f"discover() promises the archives of one series without others between them; torn: {torn[:3]}."

    def test_archives_are_what_was_asked_for(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Market, type, symbol, interval and frequency are those of the query and of the capabilities."""
        capabilities = connector.capabilities()
        for archive in find_archives(connector, query):
            what = f"discover() promises what the query asks for; {archive.key}"
            assert archive.source == connector.name, f"{what} is of the source {archive.source!r}."
            assert archive.market in query.markets, f"{what} is of the market {archive.market!r}."
            assert archive.data_type in query.data_types, f"{what} is of the data type {archive.data_type!r}."
            assert query.wants_symbol(archive.symbol), f"{what} is of the symbol {archive.symbol!r}."
            assert query.intervals is None or archive.interval in (None, *query.intervals), f"{what} has {archive.interval!r}."
            assert archive.frequency in query.frequencies, f"{what} is {archive.frequency}."
            assert _is_offered(archive, capabilities), f"capabilities() promises all that can be found; {archive.key} is not."

    def test_periods_are_half_open_utc_and_inside_the_query(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Periods are compared with each other and with the rows inside."""
        for archive in find_archives(connector, query):
            start, end = archive.period_start, archive.period_end
            for name, moment in (("period_start", start), ("period_end", end), ("last_modified", archive.last_modified)):
                assert moment.utcoffset() == timedelta(0), f"{name} promises aware UTC; that of {archive.key} is {moment!r}."
            assert start < end, f"Periods promise to be half-open and not empty; {archive.key} has {start} to {end}."
            assert query.wants_period(start, end), f"discover() promises periods inside the query; {archive.key} has {start}."

    def test_frequency_fits_the_length_of_the_period(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A daily archive is one UTC day, a monthly one a calendar month."""
        for archive in find_archives(connector, query):
            start = archive.period_start.astimezone(UTC)
            midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
            if archive.frequency == "monthly":
                expected = (midnight.replace(day=1), (midnight.replace(day=1) + timedelta(days=31)).replace(day=1))
            else:
                expected = (midnight, midnight + timedelta(days=1))
            assert (start, archive.period_end) == expected, (
                f"frequency promises what one file covers; {archive.key} is {archive.frequency}, and covers"
                f" {archive.period_start} to {archive.period_end}."
            )

    @pytest.mark.parametrize("name", ["markets", "data_types", "intervals", "frequencies"])
    def test_unknown_names_are_refused_before_the_first_request(
        self, connector: SourceConnector, query: ArchiveQuery, name: str
    ) -> None:
        """A typing error is no empty source."""
        datasets = connector.capabilities().datasets
        if name == "intervals" and not any(d.intervals for d in datasets if d.data_type in query.data_types):
            return
        asked: dict[str, Any] = {name: (*(getattr(query, name) or ()), _UNKNOWN)}
        wrong = replace(query, **asked)
        refused = False
        with watch_io() as seen:
            try:
                next(connector.discover(wrong), None)
            except UsageError:
                refused = True
        assert refused, f"discover() promises UsageError for unknown {name.replace('_', ' ')}; it took {_UNKNOWN!r} for one."
        assert not seen, f"discover() promises that UsageError before the first request; it did: {', '.join(seen)}."

    # -- what filters leave ---------------------------------------------------------------------------------------------------

    def test_start_and_end_agree_with_filtering_by_hand(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """What ends at the start, or starts at the end, is left out; what overlaps is not."""
        every = find_archives(connector, query)
        middle = every[len(every) // 2]
        inside = middle.period_start + (middle.period_end - middle.period_start) / 2
        for start, end in (
            (middle.period_start, None),
            (None, middle.period_end),
            (middle.period_start, middle.period_end),
            (inside, inside + timedelta(seconds=1)),
        ):
            narrow = replace(
                query,
                start=max(filter(None, (query.start, start)), default=None),
                end=min(filter(None, (query.end, end)), default=None),
            )
            expected = [archive for archive in every if narrow.wants_period(archive.period_start, archive.period_end)]
            _compare(connector, narrow, expected, "start and end")

    def test_since_agrees_with_filtering_by_hand(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A later start for one series leaves the others whole."""
        every = find_archives(connector, query)
        last = every[-1]
        narrow = replace(query, since={(last.series, last.frequency): last.period_start})
        starts = [narrow.start_of(archive.series, archive.frequency) for archive in every]
        pairs = zip(every, starts, strict=True)
        _compare(connector, narrow, [a for a, start in pairs if start is None or a.period_end > start], "since")

    def test_symbols_agree_with_filtering_by_hand(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Exact symbols and patterns; a symbol is not the beginning of another.

        A source that has a list of its symbols may refuse one that is not on it.
        """
        every = find_archives(connector, query)
        symbols = sorted({archive.symbol for archive in every})
        beginnings = [one for one, other in pairwise(symbols) if other.startswith(one)]
        symbol = next(iter(beginnings), symbols[len(symbols) // 2])
        for asked in ((symbol,), (f"{symbol[0]}*",), (f"?{symbol[1:]}", _UNKNOWN), (f"{_UNKNOWN}*",)):
            narrow = replace(query, symbols=asked)
            expected = [archive for archive in every if narrow.wants_symbol(archive.symbol)]
            _compare(connector, narrow, expected, f"symbols {asked}")
        with suppress(UsageError):
            _compare(connector, replace(query, symbols=(_UNKNOWN,)), [], f"the unknown symbol {_UNKNOWN}")

    def test_intervals_and_frequencies_agree_with_filtering_by_hand(
        self, connector: SourceConnector, query: ArchiveQuery
    ) -> None:
        """One of each that was found."""
        every = find_archives(connector, query)
        first = every[0]
        narrow = replace(query, frequencies=(first.frequency,))
        _compare(connector, narrow, [archive for archive in every if archive.frequency == first.frequency], "frequencies")
        interval = next((archive.interval for archive in every if archive.interval), None)
        if interval is not None:
            narrow = replace(query, intervals=(interval,))
            _compare(connector, narrow, [archive for archive in every if archive.interval in {None, interval}], "intervals")

    def test_oddities_have_a_key_and_a_reason(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A person reads them, and finds the key in the source."""
        for entry in connector.discover(query):
            if not isinstance(entry, Oddity):
                assert isinstance(entry, ArchiveObject), f"discover() promises archives and oddities; it gave {entry!r}."
                continue
            assert entry.key, f"An Oddity promises its key; one is empty, with the reason {entry.reason!r}."
            assert entry.reason.strip(), f"An Oddity promises a reason; that of {entry.key!r} is empty."


def list_archives(connector: SourceConnector, query: ArchiveQuery) -> Iterator[ArchiveObject]:
    """What is discovered, without the oddities."""
    return (entry for entry in connector.discover(query) if isinstance(entry, ArchiveObject))


def find_archives(connector: SourceConnector, query: ArchiveQuery) -> list[ArchiveObject]:
    """The same as a list, never empty: the suite would prove nothing."""
    found = list(list_archives(connector, query))
    assert found, f"The suite's query promises to find something; there is no archive for {query}."
    return found


def _compare(connector: SourceConnector, query: ArchiveQuery, expected: list[ArchiveObject], what: str) -> None:
    found = [archive.key for archive in list_archives(connector, query)]
    keys = [archive.key for archive in expected]
    assert found == keys, f"discover() promises what filtering by hand gives ({what}); {_first_difference(found, keys)}."


def _is_offered(archive: ArchiveObject, capabilities: Capabilities) -> bool:
    return any(
        (dataset.market, dataset.data_type) == (archive.market, archive.data_type)
        and archive.frequency in dataset.frequencies
        and (archive.interval in dataset.intervals if dataset.intervals else archive.interval is None)
        for dataset in capabilities.datasets
    )


def _first_difference(found: Sequence[object], expected: Sequence[object]) -> str:
    """Where two listings part, in words."""
    for index, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"entry {index} is {one!r}, and should be {other!r}"
    return f"{len(found)} entries, and {len(expected)} should be"
