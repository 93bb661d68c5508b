"""Finds Binance's archives by listing their public bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import BinaryIO, cast

from lakehouse_sdk.archives.binance.layout import DATASETS, FOLDERS
from lakehouse_sdk.archives.binance.listing import SOURCE, Branch, describe_objects, find_start_after
from lakehouse_sdk.archives.checksum import parse_checksum
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Capabilities, CheckResult, Checksum, Frequency, Oddity
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import AccessError, ConnectError, LakehouseError, NotFoundError
from lakehouse_sdk.parallel import map_ordered
from lakehouse_sdk.storage import ObjectInfo, S3Client
from lakehouse_sdk.uris import S3Address

TERMS_URL = "https://github.com/binance/binance-public-data/blob/master/TERMS_AND_CONDITIONS.md"

_Entry = ArchiveObject | Oddity


class BinanceConnector:
    """Binance Vision over S3: anonymous, path style, at most `archives.binance.max_connections` requests at once.

    Discovery comes from the listing alone, so delisted symbols and expired contracts are found as well. Symbol folders are
    listed in parallel; a folder is asked for with its trailing slash, because `BTCUSDT` is also how `BTCUSDT_240628` begins.
    """

    def __init__(self, settings: Settings) -> None:
        options = settings.archives.binance
        self._bucket = options.bucket
        self._root = options.prefix
        self._workers = options.max_connections
        self._place = f"{options.bucket}/{options.prefix} at {options.endpoint_url}"
        self._client = S3Client(options.to_profile(), max_connections=options.max_connections)

    @property
    def name(self) -> str:
        """`binance`."""
        return SOURCE

    def capabilities(self) -> Capabilities:
        """All of spot, um, cm and option; no I/O."""
        return Capabilities(SOURCE, "Binance Vision", TERMS_URL, DATASETS, max_connections=self._workers)

    def check(self) -> CheckResult:
        """Lists the folders of the root: one request, raises nothing."""
        try:
            with _explained():
                folders = [folder.removeprefix(self._root) for folder in self._client.list_prefixes(self._bucket, self._root)]
        except LakehouseError as error:
            return CheckResult(ok=False, reason=str(error))
        if not {f"{folder.partition('/')[0]}/" for folder in FOLDERS.values()}.intersection(folders):
            return CheckResult(ok=False, reason=f"{self._place} answers, but lists no market. Check archives.binance.prefix.")
        return CheckResult(ok=True, reason=f"{self._place} lists {', '.join(folder.rstrip('/') for folder in folders)}.")

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        """As `SourceConnector.discover`; ordered by market, data type, symbol, interval, daily before monthly, then key.

        Without a filter all that lies below the folders in question is accounted for. Narrowed by symbol, interval or start,
        the listing itself is narrower, and shows only the oddities that lie there.
        """
        return self._walk(query, [Branch(dataset) for dataset in self.capabilities().select(query)])

    def checksum(self, archive: ArchiveObject) -> Checksum | None:
        """As `SourceConnector.checksum`: one request, or none where the listing showed no checksum."""
        if archive.checksum_key is None:
            return None
        try:
            with _explained():
                content = self._client.get_bytes(self._bucket, archive.checksum_key)
        except NotFoundError:
            return None
        return parse_checksum(content, archive.key)

    def open(self, archive: ArchiveObject) -> BinaryIO:
        """As `SourceConnector.open`."""
        with _explained():
            return cast("BinaryIO", self._client.open_stream(self._bucket, archive.key, if_match=archive.etag))

    def find_address(self, archive: ArchiveObject) -> S3Address:
        """The archive in the public bucket, under the profile `binance`."""
        return S3Address(self._bucket, archive.key, profile=SOURCE)

    def _walk(self, query: ArchiveQuery, branches: Iterable[Branch]) -> Iterator[_Entry]:
        """Three levels, each read in parallel and in order: data type → symbols, symbol → intervals, folders → archives."""
        pool = ThreadPoolExecutor(self._workers, "binance-discover")
        try:
            found: Iterator[Branch | _Entry] = iter(branches)
            for read in (self._read_symbols, self._read_intervals, self._read_archives):
                step = partial(_step, partial(read, query))
                found = chain.from_iterable(map_ordered(pool, step, found, window=self._workers))
            yield from cast("Iterator[_Entry]", found)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_symbols(self, query: ArchiveQuery, branch: Branch) -> list[Branch | _Entry]:
        symbols = query.exact_symbols()
        if symbols is not None:
            return [branch.below(symbol, branch.dataset.frequencies) for symbol in sorted(symbols)]
        children = self._read_children(query, branch)
        return [child for child in children if not isinstance(child, Branch) or query.wants_symbol(child.symbol or "")]

    def _read_intervals(self, query: ArchiveQuery, branch: Branch) -> list[Branch | _Entry]:
        if not branch.dataset.intervals:
            return [branch]
        if query.intervals is not None:
            return [branch.below(interval, branch.dataset.frequencies) for interval in branch.dataset.intervals]
        return self._read_children(query, branch)

    def _read_archives(self, query: ArchiveQuery, branch: Branch) -> list[Branch | _Entry]:
        found: list[Branch | _Entry] = []
        for frequency in branch.dataset.frequencies:
            with _explained():
                prefix = branch.prefix(frequency, self._root)
                start_after = find_start_after(branch, frequency, query, self._root)
                infos = list(self._client.list_objects(self._bucket, prefix, start_after=start_after))
            found += describe_objects(infos, query, self._root)
        return found

    def _read_children(self, query: ArchiveQuery, branch: Branch) -> list[Branch | _Entry]:
        """The sub-folders in byte order, after them whatever lies beside them, which is never an archive."""
        frequencies: dict[str, list[Frequency]] = defaultdict(list)
        infos: list[ObjectInfo] = []
        for frequency in branch.dataset.frequencies:
            prefix = branch.prefix(frequency, self._root)
            with _explained():
                for child in self._client.list_children(self._bucket, prefix):
                    if isinstance(child, ObjectInfo):
                        infos.append(child)
                    else:
                        frequencies[child.removeprefix(prefix).rstrip("/")].append(frequency)
        folders = sorted(frequencies.items(), key=lambda item: item[0].encode())
        branches = [branch.below(folder, tuple(having)) for folder, having in folders]
        return [*branches, *describe_objects(infos, query, self._root)]


def _step(read: Callable[[Branch], list[Branch | _Entry]], item: Branch | _Entry) -> list[Branch | _Entry]:
    return read(item) if isinstance(item, Branch) else [item]


@contextmanager
def _explained() -> Iterator[None]:
    """Hints that name the archive's own settings instead of those of the lakehouse's storage."""
    try:
        yield
    except ConnectError as error:
        hint = "Check the network and archives.binance.endpoint_url (`lakehouse config show --origin`)."
        raise ConnectError(error.message, hint=hint) from error
    except AccessError as error:
        hint = "The archive is public: check archives.binance.endpoint_url and bucket, or try later if they are right."
        raise AccessError(error.message, hint=hint) from error
