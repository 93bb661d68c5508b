"""Makes daily archives of Coinbase's candles and trades from the pages of its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from lakehouse_sdk.archives.coinbase.api import CoinbaseApi
from lakehouse_sdk.archives.coinbase.candles import make_candles
from lakehouse_sdk.archives.coinbase.layout import (
    CANDLES,
    DATASETS,
    FREQUENCY,
    MARKET,
    SOURCE,
    ArchiveKey,
    format_key,
    is_symbol,
    parse_key,
)
from lakehouse_sdk.archives.coinbase.trades import make_trades
from lakehouse_sdk.archives.model import ArchiveObject, ArchiveQuery, Capabilities, CheckResult, Dataset, Oddity
from lakehouse_sdk.archives.protocol import MaterialisedStream
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import LakehouseError, StorageError, UsageError

TERMS_URL = "https://www.coinbase.com/legal/market_data"

_MAX_CONNECTIONS = 4
"""At ten requests a second more would only wait."""
_ALL_DAYS = "Pass start, for example the day on which the product was listed: the API does not say since when a product trades."


class CoinbaseConnector:
    """Coinbase Exchange over its public REST API; its archives are virtual, made by `open`.

    All threads together send at most `archives.coinbase.requests_per_s` requests. A day of one-minute candles takes 5, a day of
    trades one for each 1,000 and about 20 to find where it begins.

    Args:
        settings: Of which `archives.coinbase` counts.
        clock: What time it is; a day that is not over by this clock is neither offered nor made.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._api = CoinbaseApi(settings.archives.coinbase, max_connections=_MAX_CONNECTIONS)
        self._clock = clock

    @property
    def name(self) -> str:
        """`coinbase`."""
        return SOURCE

    def capabilities(self) -> Capabilities:
        """Daily candles and trades of all products; no I/O."""
        return Capabilities(SOURCE, "Coinbase Exchange", TERMS_URL, DATASETS, transport="api", max_connections=_MAX_CONNECTIONS)

    def check(self) -> CheckResult:
        """Lists the products: one request, raises nothing."""
        try:
            symbols, _ = self._list_symbols()
        except LakehouseError as error:
            return CheckResult(ok=False, reason=str(error))
        if not symbols:
            return CheckResult(ok=False, reason=f"{self._api.url} lists no product. Check archives.coinbase.api_url.")
        return CheckResult(ok=True, reason=f"{self._api.url} lists {len(symbols)} products.")

    def discover(self, query: ArchiveQuery) -> Iterator[ArchiveObject | Oddity]:
        """As `SourceConnector.discover`; ordered by data type, symbol, interval, day. One request, for the list of products.

        Every complete UTC day from the start to the end, or to now, is an archive, whether something traded or not.

        Raises:
            UsageError: Also without a start, and when an exact symbol is not among the products (that one while iterating).
        """
        datasets = self.capabilities().select(query)
        if query.start is None and not query.since:
            raise UsageError("The query for Coinbase has no start.", hint=_ALL_DAYS)
        return self._walk(query, datasets)

    def checksum(self, archive: ArchiveObject) -> None:
        """None: the API publishes no checksums."""
        del archive

    def open(self, archive: ArchiveObject) -> MaterialisedStream:
        """As `SourceConnector.open`: a gzip'd CSV file with a header.

        Raises:
            UsageError: The day is not over, or the key is not of this source.
        """
        key = parse_key(archive.key)
        if isinstance(key, Oddity):
            raise UsageError(f"{key.key} is no archive of Coinbase: {key.reason}", hint="Open what discovery found.")
        if key.period_end > self._clock():
            raise UsageError(f"The day of {archive.key} is not over yet.", hint=f"Open it after {key.period_end.isoformat()}.")
        return make_candles(self._api, key) if key.data_type == CANDLES else make_trades(self._api, key)

    def find_address(self, archive: ArchiveObject) -> None:
        """None: only `open` has the bytes."""
        del archive

    def _walk(self, query: ArchiveQuery, datasets: list[Dataset]) -> Iterator[ArchiveObject | Oddity]:
        if not datasets:
            return
        symbols, oddities = self._list_symbols()
        for symbol in query.exact_symbols() or ():
            _check_listed(symbol, symbols)
        yield from oddities
        today = self._clock().astimezone(UTC).date()
        for dataset in datasets:
            for symbol in filter(query.wants_symbol, symbols):
                for interval in dataset.intervals or (None,):
                    yield from _list_archives(query, dataset, symbol, interval, today)

    def _list_symbols(self) -> tuple[list[str], list[Oddity]]:
        """All product ids in order, delisted ones too, and what is listed that is none.

        Raises:
            StorageError: The list is not one of products.
        """
        page = self._api.get_page("/products")
        names = sorted({_read_id(product, page.url) for product in page.rows})
        odd = [Oddity(name, "The product's id has no form that can stand in a key.") for name in names if not is_symbol(name)]
        return [name for name in names if is_symbol(name)], odd


def _list_archives(
    query: ArchiveQuery, dataset: Dataset, symbol: str, interval: str | None, today: date
) -> Iterator[ArchiveObject]:
    """Every complete day of one series that is asked for."""
    start = query.start_of((SOURCE, MARKET, dataset.data_type, symbol, interval or ""), FREQUENCY)
    if start is None:
        raise UsageError(f"The query for Coinbase has no start for {symbol} {interval or dataset.data_type}.", hint=_ALL_DAYS)
    day = start.astimezone(UTC).date()
    while day < today:
        key = ArchiveKey(dataset.data_type, symbol, interval, day)
        if query.end is not None and key.period_start >= query.end:
            return
        yield ArchiveObject(
            SOURCE,
            MARKET,
            dataset.data_type,
            symbol,
            interval,
            FREQUENCY,
            key.period_start,
            key.period_end,
            format_key(key),
            size_bytes=0,
            etag="",
            last_modified=key.period_end,
            checksum_key=None,
            container="gz",
            virtual=True,
        )
        day += timedelta(days=1)


def _check_listed(symbol: str, symbols: list[str]) -> None:
    if symbol not in symbols:
        near = get_close_matches(symbol.upper(), symbols, n=4)
        hint = (
            f"Did you mean {', '.join(near)}?" if near else "Ids look like BTC-USD; patterns such as *-USD find what there is."
        )
        raise UsageError(f"Coinbase has no product {symbol!r}.", hint=hint)


def _read_id(product: Any, url: str) -> str:
    if not isinstance(product, dict) or not isinstance(product.get("id"), str):
        raise StorageError(f"{url} lists {product!r}, which is no product.", hint="Check archives.coinbase.api_url.")
    return str(product["id"])
