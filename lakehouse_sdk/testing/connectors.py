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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import BinaryIO

import pytest

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery, CheckResult, MaterialisedStream, SourceConnector
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import ConflictError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing.discovery import DiscoverySuite, find_archives, list_archives
from lakehouse_sdk.testing.watch import watch_io
from lakehouse_sdk.uris import S3Address

_SAMPLE = 5
"""Archives whose bytes are read, spread over all that were found; the known one is always among them."""
_THREADS = 8


class ConnectorSuite(DiscoverySuite):
    """Tests of all that `SourceConnector` promises; each failure says which promise was broken.

    A subclass sets `entry_point` and overrides the fixtures `connector`, `query` and `known_key`; the query should find a
    handful of archives of several series, of symbols that begin alike, and some odd key if the source has any. What the source
    holds must not change meanwhile.
    """

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
                assert published.sha256 == digest, (
                    f"checksum() promises the SHA-256 in lower case; {archive.key}: {published.sha256!r}, not {digest}."
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
        for archive in find_archives(connector, query):
            copied = pickle.loads(pickle.dumps(archive))  # noqa: S301 (own bytes)
            assert copied == archive, f"ArchiveObject promises to survive pickling; {archive.key} became {copied!r}."


def _sample(connector: SourceConnector, query: ArchiveQuery, known_key: str) -> list[ArchiveObject]:
    found = find_archives(connector, query)
    spread = {archive.key: archive for archive in found[:: max(len(found) // _SAMPLE, 1)][:_SAMPLE]}
    return list({known_key: _get_known(connector, query, known_key), **spread}.values())


def _get_known(connector: SourceConnector, query: ArchiveQuery, known_key: str) -> ArchiveObject:
    known = [archive for archive in list_archives(connector, query) if archive.key == known_key]
    assert known, f"discover() promises everything published; it does not find {known_key!r}."
    return known[0]


def _read(stream: BinaryIO) -> bytes:
    with stream:
        return stream.read()
