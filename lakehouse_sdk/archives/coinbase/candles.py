"""Candles of one day: which pages to ask for, and their rows as the lines of a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from lakehouse_sdk.archives.coinbase.api import CoinbaseApi
from lakehouse_sdk.archives.coinbase.content import DECIMAL, encode_csv
from lakehouse_sdk.archives.coinbase.layout import CANDLES, INTERVAL_SECONDS, ArchiveKey
from lakehouse_sdk.archives.protocol import MaterialisedStream
from lakehouse_sdk.errors import IntegrityError, StorageError
from lakehouse_sdk.retry import RetryPolicy, call_until

HEADER = "open_time,open,high,low,close,volume"
"""`open_time` in milliseconds since 1970, the rest in the API's own digits."""

_MAX_CANDLES = 300
"""Of one request; the API refuses more instead of paging."""
_DAY_S = 86_400
_LONGEST = "1d"
_EMPTY_PAGES = RetryPolicy(attempts=3)
"""How often an empty page is asked for before it is believed: the API is known to answer `[]` now and then."""


class CandleRows:
    """The candles of one archive, each time once, whatever the pages repeat or bring besides.

    Attributes:
        lines: CSV lines by time, seconds since 1970.
    """

    def __init__(self, archive: ArchiveKey) -> None:
        self._archive = archive
        self._first_s = int(archive.period_start.timestamp())
        self._interval_s = INTERVAL_SECONDS[archive.interval or ""]
        self.lines: dict[int, str] = {}

    def add(self, rows: Iterable[Any]) -> dict[str, int]:
        """Take a page's rows `[time, low, high, open, close, volume]`; returns how many were `outside` the day or `repeated`.

        Raises:
            IntegrityError: A row that is no candle of this interval, or another candle for a time that has one.
        """
        outside = repeated = 0
        for row in rows:
            time_s, line = self._read(row)
            if not self._first_s <= time_s < self._first_s + _DAY_S:
                outside += 1
            elif time_s in self.lines:
                self._check_same(time_s, line)
                repeated += 1
            elif time_s % self._interval_s:
                raise self._fault(f"a candle at {_format_time(time_s)}, where none begins")
            else:
                self.lines[time_s] = line
        return {"outside": outside, "repeated": repeated}

    def _read(self, row: Any) -> tuple[int, str]:
        if not isinstance(row, list) or len(row) != 6 or not all(isinstance(v, str) and DECIMAL.fullmatch(v) for v in row):
            raise self._fault(f"a row that is no candle, {row!r}")
        time, low, high, first, close, volume = row
        if not time.isdigit():
            raise self._fault(f"a candle whose time is no whole second, {row!r}")
        return int(time), f"{int(time) * 1000},{first},{high},{low},{close},{volume}"

    def _check_same(self, time_s: int, line: str) -> None:
        known = self.lines[time_s]
        if line != known and [Decimal(value) for value in line.split(",")] != [Decimal(value) for value in known.split(",")]:
            raise self._fault(f"two candles for {_format_time(time_s)}, {known} and {line}")

    def _fault(self, what: str) -> IntegrityError:
        return IntegrityError(
            f"Coinbase sends for {self._archive.symbol} {self._archive.interval} {what}.",
            hint="Collect it again later; if that does not help, report it to Coinbase.",
        )


def make_candles(api: CoinbaseApi, archive: ArchiveKey) -> MaterialisedStream:
    """The archive of one day of candles, in ascending order; a time without trades has no row.

    Raises:
        IntegrityError: As `CandleRows.add`.
        ConnectError, AccessError, NotFoundError, StorageError: As `CoinbaseApi.get_page`; also `StorageError` where the API
            has a candle for the day, and none for its parts.
    """
    log: list[bytes] = []
    lines = _collect(api, archive, log).lines
    content = encode_csv(HEADER, (lines[time_s] for time_s in sorted(lines)))
    return MaterialisedStream(content, b"".join(log), len(lines))


def plan_pages(archive: ArchiveKey) -> list[dict[str, str]]:
    """The queries that together ask for every candle of the day once; both ends of each are included."""
    interval_s = INTERVAL_SECONDS[archive.interval or ""]
    first_s = int(archive.period_start.timestamp())
    pages = []
    for start_s in range(first_s, first_s + _DAY_S, _MAX_CANDLES * interval_s):
        last_s = min(start_s + (_MAX_CANDLES - 1) * interval_s, first_s + _DAY_S - interval_s)
        pages.append({"granularity": str(interval_s), "start": _format_time(start_s), "end": _format_time(last_s)})
    return pages


def has_day_candle(api: CoinbaseApi, archive: ArchiveKey, log: list[bytes]) -> bool:
    """Whether anything traded on the archive's day, by the candle of that day; its requests are added to the log."""
    return bool(_collect(api, replace(archive, data_type=CANDLES, interval=_LONGEST), log).lines)


def _collect(api: CoinbaseApi, archive: ArchiveKey, log: list[bytes]) -> CandleRows:
    candles = CandleRows(archive)

    def ask(query: Mapping[str, str]) -> bool:
        page = api.get_page(f"/products/{quote(archive.symbol, safe='')}/candles", query)
        log.append(page.to_log_line(**candles.add(page.rows)))
        return bool(page.rows)

    empty: list[Mapping[str, str]] = [query for query in plan_pages(archive) if not ask(query)]
    quiet = not candles.lines and archive.interval != _LONGEST
    if empty and quiet and not has_day_candle(api, archive, log):
        return candles

    def ask_again() -> list[Mapping[str, str]]:
        empty[:] = [query for query in empty if not ask(query)]
        return empty

    if empty:
        call_until(ask_again, lambda left: not left, _EMPTY_PAGES)
    if empty and quiet and not candles.lines:
        raise StorageError(
            f"Coinbase has a candle for {archive.symbol} on {archive.day}, and none of {archive.interval} on that day.",
            hint="Collect it again later: the API answers with nothing now and then.",
        )
    return candles


def _format_time(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
