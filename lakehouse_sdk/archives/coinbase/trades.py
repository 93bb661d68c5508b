"""Trades of one day: where they begin among all trades of a product, and their pages as the lines of a CSV file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from lakehouse_sdk.archives.coinbase.api import CoinbaseApi, Page
from lakehouse_sdk.archives.coinbase.candles import has_day_candle
from lakehouse_sdk.archives.coinbase.content import DECIMAL, encode_csv
from lakehouse_sdk.archives.coinbase.layout import ArchiveKey
from lakehouse_sdk.archives.protocol import MaterialisedStream
from lakehouse_sdk.errors import IntegrityError, StorageError
from lakehouse_sdk.retry import RetryPolicy, call_until

HEADER = "trade_id,time,price,size,side"
"""`side` is the taker's: `buy` where the trade lifted an offer; the rest in the API's own digits."""

_LIMIT = 1000
"""Rows of one page, the API's maximum."""
_EMPTY_PAGES = RetryPolicy(attempts=3)
"""How often an empty page is asked for before it is believed to be the end: the API is known to answer `[]` now and then."""
_TAKER_OF_MAKER = {"buy": "sell", "sell": "buy"}
_MAX_DIGITS = 18
_ID = re.compile(rf"\d{{1,{_MAX_DIGITS}}}", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)
_AGAIN = "Collect it again later; if that does not help, report it to Coinbase."


class Trade(NamedTuple):
    """One trade; a tuple, because a day may have a million.

    Attributes:
        id: Trade id, rising with time.
        day: UTC day, `YYYY-MM-DD`.
        line: The line of the CSV file.
    """

    id: int
    day: str
    line: str


def parse_trades(rows: Iterable[Any], symbol: str) -> list[Trade]:
    """The trades of a page, newest first, with the taker's side.

    Raises:
        IntegrityError: A row that is no trade.
    """
    trades = []
    for row in rows:
        trade = _read_trade(row)
        if trade is None:
            raise IntegrityError(f"Coinbase sends for {symbol} a row that is no trade, {row!r}.", hint=_AGAIN)
        trades.append(trade)
    return sorted(trades, reverse=True)


def _read_trade(row: Any) -> Trade | None:
    try:
        number, time, price, size, maker = (row[name] for name in ("trade_id", "time", "price", "size", "side"))
        moment, taker = _TIME.fullmatch(time), _TAKER_OF_MAKER[maker]
        is_sound = _ID.fullmatch(number) and DECIMAL.fullmatch(price) and DECIMAL.fullmatch(size)
    except (KeyError, TypeError):
        return None
    return Trade(int(number), moment[1], f"{int(number)},{time},{price},{size},{taker}") if moment and is_sound else None


def make_trades(api: CoinbaseApi, archive: ArchiveKey) -> MaterialisedStream:
    """The archive of one day of trades, ascending by trade id, each once.

    The API pages by trade id and knows no time: the id that the next day begins with is found by bisection, and pages are
    read from there backwards until one reaches beyond the day.

    Raises:
        IntegrityError: A row that is no trade, or two different trades with one id.
        ConnectError, AccessError, NotFoundError, StorageError: As `CoinbaseApi.get_page`; also `StorageError` where the pages
            do not lead on, or have no trade of a day that has a candle.
    """
    return _TradeReader(api, archive).read()


class _TradeReader:
    def __init__(self, api: CoinbaseApi, archive: ArchiveKey) -> None:
        self._api = api
        self._archive = archive
        self._symbol = archive.symbol
        self._day = archive.day.isoformat()
        # A day may have a million trades: only those of the last page are kept one by one.
        self._blocks: list[str] = []
        self._last_page: dict[int, str] = {}
        self._lowest = 10**_MAX_DIGITS
        self._rows = 0
        self._log: list[bytes] = []

    def read(self) -> MaterialisedStream:
        cursor = self._find_cursor()
        while True:
            page, trades = self._ask(cursor)
            self._log.append(page.to_log_line(**self._take(trades)))
            if not trades or trades[-1].day < self._day:
                break
            cursor = self._next_cursor(page, trades, cursor)
        if not self._rows and has_day_candle(self._api, self._archive, self._log):
            raise StorageError(
                f"Coinbase has a candle for {self._symbol} on {self._day}, and no trades of that day.", hint=_AGAIN
            )
        content = encode_csv(HEADER, reversed(self._blocks))
        return MaterialisedStream(content, b"".join(self._log), self._rows)

    def _find_cursor(self) -> int | None:
        """The id of a trade after the day, as near to the day as is known; None where the newest page is to be read first."""
        page, trades = self._probe(None)
        later = [trade.id for trade in trades if trade.day > self._day]
        low, high = 0, min(later, default=0)
        if not later or len(later) < len(trades):
            return high or None
        while high - low > 1:
            cursor = (low + high) // 2 + 1
            page, trades = self._probe(cursor)
            trades = [trade for trade in trades if trade.id < cursor]
            later = [trade.id for trade in trades if trade.day > self._day]
            if not later:
                low = cursor - 1
                continue
            high = min(later)
            if len(later) < len(trades) or page.older is None:
                break
        return high

    def _probe(self, cursor: int | None) -> tuple[Page, list[Trade]]:
        page, trades = self._ask(cursor)
        self._log.append(page.to_log_line())
        return page, trades

    def _ask(self, cursor: int | None) -> tuple[Page, list[Trade]]:
        query = {"limit": str(_LIMIT)} if cursor is None else {"limit": str(_LIMIT), "after": str(cursor)}
        path = f"/products/{quote(self._symbol, safe='')}/trades"
        asked: list[Page] = []

        def ask() -> Page:
            asked.append(self._api.get_page(path, query))
            return asked[-1]

        page = call_until(ask, lambda page: bool(page.rows) or cursor == 1, _EMPTY_PAGES)
        self._log += [one.to_log_line() for one in asked[:-1]]
        return page, parse_trades(page.rows, self._symbol)

    def _take(self, trades: list[Trade]) -> dict[str, int]:
        outside = repeated = 0
        fresh: dict[int, str] = {}
        for trade in trades:
            known = fresh.get(trade.id, self._last_page.get(trade.id))
            if trade.day != self._day:
                outside += 1
            elif known == trade.line:
                repeated += 1
            elif known is not None:
                raise self._fault(f"two trades with the id {trade.id}, {known} and {trade.line}")
            elif trade.id > self._lowest:
                raise self._fault(f"the trade {trade.id} after older ones")
            else:
                fresh[trade.id] = trade.line
        self._last_page = {trade.id: trade.line for trade in trades}
        if fresh:
            self._lowest = min(fresh)
            self._rows += len(fresh)
            self._blocks.append("\n".join(fresh[number] for number in sorted(fresh)))
        return {"outside": outside, "repeated": repeated}

    def _fault(self, what: str) -> IntegrityError:
        return IntegrityError(f"Coinbase sends for {self._symbol} {what}.", hint=_AGAIN)

    def _next_cursor(self, page: Page, trades: list[Trade], cursor: int | None) -> int:
        """Where the next page begins: below all that came, and nothing between is left out.

        Raises:
            StorageError: The server's cursor stands still, or jumps over trades.
        """
        oldest = trades[-1].id
        following = oldest if page.older is None else page.older
        if cursor is not None and (following >= cursor or oldest >= cursor):
            raise StorageError(
                f"The pages of {page.url} do not lead on: the next is said to begin at {following}.", hint=_AGAIN
            )
        if following < oldest:
            raise StorageError(f"The pages of {page.url} leave trades out: {oldest} is followed by {following}.", hint=_AGAIN)
        return following
