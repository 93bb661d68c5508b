"""What every connector promises, as tests that its author runs.

Subclass `ConnectorSuite` in a test module, give the fixtures, and run pytest:

```python
class TestMyExchange(ConnectorSuite):
    entry_point = "my-exchange"

    @pytest.fixture
    def connector(self):
        return MyConnector(load_settings())

    @pytest.fixture
    def query(self):
        return ArchiveQuery(("spot",), ("trades",))

    @pytest.fixture
    def known_key(self):
        return "trades/BTC-USD/2024-01-01.csv.gz"
```
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import groupby, pairwise
from typing import Any, BinaryIO

import pytest

from lakehouse_sdk.archives import (
    ArchiveObject,
    ArchiveQuery,
    Capabilities,
    CheckResult,
    MaterialisedStream,
    Oddity,
    SourceConnector,
)
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConflictError, UsageError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing.watch import watch_io
from lakehouse_sdk.uris import S3Address

_UNKNOWN = "no-such-name"
_SAMPLE = 5
"""Archives whose bytes are read, spread over all that were found; the known one is always among them."""
_THREADS = 8


class ConnectorSuite:
    """Tests of all that `SourceConnector` promises; each failure says which promise was broken.

    A subclass sets `entry_point` and overrides the fixtures `connector`, `query` and `known_key`; the query should find a
    handful of archives of two series or more, and some odd key if the source has any. What the source holds must not change
    meanwhile.

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

    @pytest.fixture
    def connector_settings(self) -> Settings:
        """Where the profiles of S3 addresses come from; to be overridden where `find_address` names one."""
        return load_settings()

    # -- what it says of itself -----------------------------------------------------------------------------------------------

    def test_name_is_that_of_the_entry_point(self, connector: SourceConnector) -> None:
        """Settings, bronze and the command line know a connector by one name."""
        assert connector.name == self.entry_point, (
            f"name promises the name of the entry point, {self.entry_point!r}; it is {connector.name!r}."
        )
        source = connector.capabilities().source
        assert source == connector.name, f"capabilities().source promises the connector's name {connector.name!r}: {source!r}."

    def test_capabilities_need_no_io(self, connector: SourceConnector) -> None:
        """A list of sources is shown without asking any of them."""
        with watch_io() as seen:
            capabilities = connector.capabilities()
        assert not seen, f"capabilities() promises no I/O; it did: {', '.join(seen)}."
        assert capabilities.datasets, "capabilities() promises everything that can be asked for; it names no dataset."
        assert capabilities.max_connections > 0, "capabilities().max_connections promises at least one call at once."
        assert capabilities == connector.capabilities(), "capabilities() promises the same answer every time."

    def test_check_answers_and_raises_nothing(self, connector: SourceConnector) -> None:
        """A check is for a person who wants to know why nothing is found."""
        try:
            result: object = connector.check()
        except Exception as error:  # noqa: BLE001 (that it raises at all is the finding)
            pytest.fail(f"check() promises to raise nothing; it raised {error!r}.")
        assert isinstance(result, CheckResult), f"check() promises a CheckResult; it gave {result!r}."
        assert result.ok, f"check() promises ok=True where discovery works, as it must here; it says: {result.reason}"
        assert result.reason, "check() promises a sentence on what was seen; the reason is empty."

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
        keys = [archive.key for archive in _find_archives(connector, query)]
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
        runs = [series for series, _ in groupby(archive.series for archive in _find_archives(connector, query))]
        torn = sorted({series for series in runs if runs.count(series) > 1})
        assert not torn, f"discover() promises the archives of one series without others between them; torn: {torn[:3]}."

    def test_archives_are_what_was_asked_for(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Market, type, symbol, interval and frequency are those of the query and of the capabilities."""
        capabilities = connector.capabilities()
        for archive in _find_archives(connector, query):
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
        for archive in _find_archives(connector, query):
            start, end = archive.period_start, archive.period_end
            for name, moment in (("period_start", start), ("period_end", end), ("last_modified", archive.last_modified)):
                assert moment.utcoffset() == timedelta(0), f"{name} promises aware UTC; that of {archive.key} is {moment!r}."
            assert start < end, f"Periods promise to be half-open and not empty; {archive.key} has {start} to {end}."
            assert query.wants_period(start, end), f"discover() promises periods inside the query; {archive.key} has {start}."

    def test_frequency_fits_the_length_of_the_period(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A daily archive is one UTC day, a monthly one a calendar month."""
        for archive in _find_archives(connector, query):
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
        every = _find_archives(connector, query)
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
        every = _find_archives(connector, query)
        last = every[-1]
        narrow = replace(query, since={(last.series, last.frequency): last.period_start})
        starts = [narrow.start_of(archive.series, archive.frequency) for archive in every]
        pairs = zip(every, starts, strict=True)
        _compare(connector, narrow, [a for a, start in pairs if start is None or a.period_end > start], "since")

    def test_symbols_agree_with_filtering_by_hand(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """Exact symbols and patterns; a symbol is not the beginning of another."""
        every = _find_archives(connector, query)
        symbols = sorted({archive.symbol for archive in every})
        beginnings = [one for one, other in pairwise(symbols) if other.startswith(one)]
        symbol = next(iter(beginnings), symbols[len(symbols) // 2])
        for asked in ((symbol,), (f"{symbol[0]}*",), (f"?{symbol[1:]}", _UNKNOWN), (_UNKNOWN,), (f"{_UNKNOWN}*",)):
            narrow = replace(query, symbols=asked)
            expected = [archive for archive in every if narrow.wants_symbol(archive.symbol)]
            _compare(connector, narrow, expected, f"symbols {asked}")

    def test_intervals_and_frequencies_agree_with_filtering_by_hand(
        self, connector: SourceConnector, query: ArchiveQuery
    ) -> None:
        """One of each that was found."""
        every = _find_archives(connector, query)
        first = every[0]
        narrow = replace(query, frequencies=(first.frequency,))
        _compare(connector, narrow, [archive for archive in every if archive.frequency == first.frequency], "frequencies")
        interval = next((archive.interval for archive in every if archive.interval), None)
        if interval is not None:
            narrow = replace(query, intervals=(interval,))
            _compare(connector, narrow, [archive for archive in every if archive.interval in {None, interval}], "intervals")

    # -- what can be read -----------------------------------------------------------------------------------------------------

    def test_bytes_are_the_same_twice_and_as_many_as_listed(
        self, connector: SourceConnector, query: ArchiveQuery, known_key: str
    ) -> None:
        """What is discovered can be read, to the byte; a virtual archive has a size only when it was made."""
        for archive in _sample(connector, query, known_key):
            content = _read(connector.open(archive))
            assert content == _read(connector.open(archive)), (
                f"open() promises the same bytes every time; not for {archive.key}."
            )
            if archive.virtual:
                assert archive.size_bytes == 0, f"A virtual archive promises the size 0; {archive.key} has a size."
            else:
                assert len(content) == archive.size_bytes, (
                    f"size_bytes promises the file's size; {archive.key}: {archive.size_bytes} listed, {len(content)} read."
                )
                assert archive.etag, f"etag promises to tell other bytes under the same key; that of {archive.key} is empty."

    def test_open_is_pinned_to_the_listing(self, connector: SourceConnector, query: ArchiveQuery, known_key: str) -> None:
        """Nobody takes new bytes for those that were discovered; a virtual archive says how it was made."""
        archive = _get_known(connector, query, known_key)
        if archive.virtual:
            with connector.open(archive) as stream:
                made = isinstance(stream, MaterialisedStream)
            assert made, f"open() promises a MaterialisedStream for a virtual archive; not for {known_key}."
            return
        other = replace(archive, etag="0" * max(len(archive.etag) - 2, 8))
        try:
            connector.open(other).close()
        except ConflictError:
            return
        pytest.fail(f"open() promises ConflictError where the ETag is not the discovered one; it opened {known_key}.")

    def test_checksum_is_the_sha256_of_the_bytes(self, connector: SourceConnector, query: ArchiveQuery, known_key: str) -> None:
        """A published checksum decides what is quarantined."""
        for archive in _sample(connector, query, known_key):
            published = connector.checksum(archive)
            if archive.checksum_key is not None:
                assert published is not None, f"checksum() promises what {archive.checksum_key} publishes; it gave None."
            if published is not None:
                digest = hashlib.sha256(_read(connector.open(archive))).hexdigest()
                assert published == digest, (
                    f"checksum() promises the SHA-256 of the bytes in lower case; {archive.key}: {published!r}, not {digest}."
                )

    def test_find_address_agrees_with_open(
        self, connector: SourceConnector, query: ArchiveQuery, known_key: str, connector_settings: Settings
    ) -> None:
        """`transfer` copies from the address what `open` would read."""
        transport = connector.capabilities().transport
        for archive in _sample(connector, query, known_key):
            address = connector.find_address(archive)
            if address is None:
                assert transport == "api" or archive.virtual, (
                    f"transport {transport!r} promises an address to copy from; find_address() has none for {archive.key}."
                )
                continue
            assert not archive.virtual, f"A virtual archive promises to have no address; {archive.key} is at {address}."
            if isinstance(address, S3Address):
                with S3Client(connector_settings.profile(address.profile)) as client:
                    content = client.get_bytes(address.bucket, address.key)
            else:
                content = address.path.read_bytes()
            assert content == _read(connector.open(archive)), (
                f"find_address() promises the bytes that open() reads; {address} has others than {archive.key}."
            )

    def test_open_works_in_many_threads_at_once(self, connector: SourceConnector, query: ArchiveQuery, known_key: str) -> None:
        """Methods may be called from several threads."""
        archives = _sample(connector, query, known_key)
        expected = {archive.key: _read(connector.open(archive)) for archive in archives}
        together = threading.Barrier(_THREADS)

        def read_all(first: int) -> list[str]:
            """All of them, from another one on in each thread."""
            together.wait(timeout=60)
            mine = [archives[(first + index) % len(archives)] for index in range(len(archives))]
            return [archive.key for archive in mine if _read(connector.open(archive)) != expected[archive.key]]

        with ThreadPoolExecutor(_THREADS) as pool:
            broken = sorted({key for keys in pool.map(read_all, range(_THREADS)) for key in keys})
        assert not broken, f"Methods promise to work from several threads; {_THREADS} at once got other bytes of {broken[:3]}."

    # -- what is handed on ----------------------------------------------------------------------------------------------------

    def test_archives_survive_pickling(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A flow hands archives to workers in other processes."""
        for archive in _find_archives(connector, query):
            copied = pickle.loads(pickle.dumps(archive))  # noqa: S301 (own bytes)
            assert copied == archive, f"ArchiveObject promises to survive pickling; {archive.key} became {copied!r}."

    def test_oddities_have_a_key_and_a_reason(self, connector: SourceConnector, query: ArchiveQuery) -> None:
        """A person reads them, and finds the key in the source."""
        for entry in connector.discover(query):
            if not isinstance(entry, Oddity):
                assert isinstance(entry, ArchiveObject), f"discover() promises archives and oddities; it gave {entry!r}."
                continue
            assert entry.key, f"An Oddity promises its key; one is empty, with the reason {entry.reason!r}."
            assert entry.reason.strip(), f"An Oddity promises a reason; that of {entry.key!r} is empty."


def _list_archives(connector: SourceConnector, query: ArchiveQuery) -> Iterator[ArchiveObject]:
    return (entry for entry in connector.discover(query) if isinstance(entry, ArchiveObject))


def _find_archives(connector: SourceConnector, query: ArchiveQuery) -> list[ArchiveObject]:
    found = list(_list_archives(connector, query))
    assert found, f"The suite's query promises to find something; there is no archive for {query}."
    return found


def _compare(connector: SourceConnector, query: ArchiveQuery, expected: list[ArchiveObject], what: str) -> None:
    found = [archive.key for archive in _list_archives(connector, query)]
    keys = [archive.key for archive in expected]
    assert found == keys, f"discover() promises what filtering by hand gives ({what}); {_first_difference(found, keys)}."


def _sample(connector: SourceConnector, query: ArchiveQuery, known_key: str) -> list[ArchiveObject]:
    found = _find_archives(connector, query)
    spread = {archive.key: archive for archive in found[:: max(len(found) // _SAMPLE, 1)][:_SAMPLE]}
    return list({known_key: _get_known(connector, query, known_key), **spread}.values())


def _get_known(connector: SourceConnector, query: ArchiveQuery, known_key: str) -> ArchiveObject:
    known = [archive for archive in _list_archives(connector, query) if archive.key == known_key]
    assert known, f"discover() promises everything published; it does not find {known_key!r}."
    return known[0]


def _is_offered(archive: ArchiveObject, capabilities: Capabilities) -> bool:
    return any(
        (dataset.market, dataset.data_type) == (archive.market, archive.data_type)
        and archive.frequency in dataset.frequencies
        and (archive.interval in dataset.intervals if dataset.intervals else archive.interval is None)
        for dataset in capabilities.datasets
    )


def _read(stream: BinaryIO) -> bytes:
    with stream:
        return stream.read()


def _first_difference(found: Sequence[object], expected: Sequence[object]) -> str:
    """Where two listings part, in words."""
    for index, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"entry {index} is {one!r}, and should be {other!r}"
    return f"{len(found)} entries, and {len(expected)} should be"
