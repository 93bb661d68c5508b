"""A server on loopback that speaks Coinbase's public Exchange REST API over a generated market, and fails on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from lakehouse_sdk.testing.coinbase_http import HttpAnswer, LoopbackServer, refuse
from lakehouse_sdk.testing.coinbase_market import PRODUCTS, Fill, GeneratedMarket, Product, format_number, format_us

CoinbaseFault = Literal[
    "conflicting-candle",
    "empty",
    "endless",
    "error",
    "html",
    "overlap",
    "refused",
    "repeated-candle",
    "reset",
    "rows-outside",
    "stall",
    "too-many",
    "truncated",
]
"""What a request can suffer. `endless`: the newest page of trades, whatever the cursor; `overlap`: it begins with five rows
of the page before; `rows-outside`: candles before and after the time asked for; `refused`: 403; `stall`: no answer for
ever; `too-many`: 429 with `Retry-After`; `reset` and `truncated`: half a body, and the connection breaks or ends."""

_GRANULARITIES = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "1d": 86400}
_MAX_CANDLES = 300
_MAX_TRADES = 1000
_SIZE_DECIMALS = 8
_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


@dataclass(slots=True)
class _Planted:
    kind: CoinbaseFault
    left: int | None
    path: str


class CoinbaseServer:
    """Products, candles and trades as the real API serves them; a context manager.

    As there: more than 300 candles are refused with 400; candles come newest first, none for a time without trades, and the one
    under way as it stands; trades come newest first, at most 1,000, with `CB-BEFORE` and `CB-AFTER`, and their `side` is the
    maker's; 429 above the limit, counted by a token bucket.

    Args:
        products: What is traded.
        first_day: Day of the first trades.
        now: The server's time, which stands still: history ends there.
        trades_per_day: Of each product.
        halted_days: Days with a pause of several hours.
        seed: Changes prices, sizes and times.
        requests_per_s: Limit; None for none.
        burst: Requests that may come at once after a pause.

    Attributes:
        ahead: Moves the `Date` of answers.
        retry_after: What the fault `too-many` says in `Retry-After`: seconds, or a date.
        arrivals_s: When each request came, by `time.monotonic`.
        paths: What each of them asked for, with its query.
        refused: Requests answered with 429 because of the limit.
    """

    def __init__(
        self,
        *,
        products: tuple[Product, ...] = PRODUCTS,
        first_day: date = date(2024, 1, 1),
        now: datetime = datetime(2024, 2, 10, 13, 30, 30, tzinfo=UTC),
        trades_per_day: int = 700,
        halted_days: Iterable[date] = (),
        seed: int = 0,
        requests_per_s: float | None = None,
        burst: int = 15,
    ) -> None:
        self._market = GeneratedMarket(
            products, first_day=first_day, now=now, trades_per_day=trades_per_day, halted_days=frozenset(halted_days), seed=seed
        )
        self.now = now
        self.ahead = timedelta()
        self.retry_after = "1"
        self.arrivals_s: list[float] = []
        self.paths: list[str] = []
        self.refused = 0
        self._rate, self._burst = requests_per_s, burst
        self._tokens, self._filled_s = float(burst), time.monotonic()
        self._planted: list[_Planted] = []
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._answer, lambda: self.now + self.ahead)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """For `archives.coinbase.api_url`."""
        return self._server.url

    def plant(self, kind: CoinbaseFault, *, times: int | None = 1, path: str = "") -> None:
        """The next `times` requests whose path or query contains `path` suffer this; all of them where `times` is None."""
        with self._lock:
            self._planted.append(_Planted(kind, times, path))

    def candles(self, product: str, day: date, interval: str) -> list[tuple[str, ...]]:
        """The truth: `(open_time in ms, open, high, low, close, volume)` in the API's digits, oldest first."""
        decimals = self._market.products[product].price_decimals
        return [
            (
                str(opening_s * 1000),
                *(format_number(price, decimals) for price in prices),
                format_number(volume, _SIZE_DECIMALS),
            )
            for opening_s, (*prices, volume) in sorted(self._market.bars(product, day, _GRANULARITIES[interval]).items())
        ]

    def trades(self, product: str, day: date) -> list[tuple[str, ...]]:
        """The truth: `(trade_id, time, price, size, side of the taker)` in the API's digits, oldest first."""
        return [
            (str(fill.id), format_us(fill.time_us), *self._format_amounts(product, fill), fill.taker)
            for fill in self._market.fills(product, day)
        ]

    def _format_amounts(self, product: str, fill: Fill) -> tuple[str, str]:
        decimals = self._market.products[product].price_decimals
        return format_number(fill.price * 10 ** (8 - decimals), 8), format_number(fill.size, _SIZE_DECIMALS)

    def _answer(self, target: str) -> HttpAnswer:
        fault, is_too_fast = self._note(target)
        if is_too_fast or fault == "too-many":
            headers = {"Retry-After": self.retry_after} if fault else {}
            return refuse(429, "Public rate limit exceeded", headers)
        if fault == "error":
            return refuse(500, "Internal server error")
        if fault == "refused":
            return refuse(403, "Forbidden")
        if fault == "html":
            return HttpAnswer(body=_PAGE)
        answer = self._route(target, fault)
        if fault == "empty":
            return HttpAnswer()
        answer.end = fault if fault in {"reset", "truncated", "stall"} else None
        return answer

    def _note(self, target: str) -> tuple[CoinbaseFault | None, bool]:
        with self._lock:
            now_s = time.monotonic()
            self.arrivals_s.append(now_s)
            self.paths.append(target)
            if self._rate is not None:
                self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate)
                self._filled_s = now_s
                if self._tokens < 1:
                    self.refused += 1
                    return None, True
                self._tokens -= 1
            for planted in self._planted:
                if planted.left != 0 and planted.path in target:
                    planted.left = None if planted.left is None else planted.left - 1
                    return planted.kind, False
        return None, False

    def _route(self, target: str, fault: CoinbaseFault | None) -> HttpAnswer:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        folders = [unquote(part) for part in parts.path.strip("/").split("/")]
        if folders == ["products"]:
            return _list_rows([_describe(product) for product in self._market.products.values()])
        if len(folders) != 3 or folders[0] != "products" or folders[1] not in self._market.products:
            return refuse(404, "NotFound")
        try:
            if folders[2] == "candles":
                return self._serve_candles(folders[1], query, fault)
            if folders[2] == "trades":
                return self._serve_trades(folders[1], query, fault)
        except (KeyError, ValueError) as error:
            return refuse(400, f"Invalid query: {error}")
        return refuse(404, "NotFound")

    def _serve_candles(self, product: str, query: dict[str, str], fault: CoinbaseFault | None) -> HttpAnswer:
        interval_s = int(query["granularity"])
        if interval_s not in _GRANULARITIES.values():
            return refuse(400, "Unsupported granularity")
        start_s, end_s = (_read_time(query[name]) for name in ("start", "end"))
        if (end_s - start_s) // interval_s + 1 > _MAX_CANDLES:
            words = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
            return refuse(400, words)
        if fault == "rows-outside":
            start_s, end_s = start_s - 86_400, end_s + 2 * interval_s
        bars: dict[int, tuple[int, int, int, int, int]] = {}
        for day in range(start_s // 86_400, end_s // 86_400 + 1):
            bars |= self._market.bars(product, date(1970, 1, 1) + timedelta(days=day), interval_s)
        decimals = self._market.products[product].price_decimals
        rows = [
            _write_candle(opening_s, bars[opening_s], decimals)
            for opening_s in sorted(bars, reverse=True)
            if start_s <= opening_s <= end_s
        ]
        if fault == "repeated-candle":
            rows[1:1] = rows[:1]
        if fault == "conflicting-candle":
            opening_s = max(opening_s for opening_s in bars if start_s <= opening_s <= end_s)
            first, high, low, close, volume = bars[opening_s]
            rows[1:1] = [_write_candle(opening_s, (first, high, low, close, volume + 1), decimals)]
        return _list_rows(rows)

    def _serve_trades(self, product: str, query: dict[str, str], fault: CoinbaseFault | None) -> HttpAnswer:
        limit = int(query.get("limit", _MAX_TRADES))
        if not 1 <= limit <= _MAX_TRADES:
            return refuse(400, "Invalid limit")
        after = int(query["after"]) if "after" in query else None
        if fault == "endless":
            after = None
        below = after + 5 if fault == "overlap" and after is not None else after
        before = int(query.get("before", "0"))
        fills = [fill for fill in self._market.fills_below(product, below, limit) if fill.id > before]
        rows = [self._write_trade(product, fill) for fill in fills]
        headers = {"CB-BEFORE": str(fills[0].id)} if fills else {}
        if fills and fills[-1].id > 1:
            headers["CB-AFTER"] = str(fills[-1].id)
        return _list_rows(rows, headers)

    def _write_trade(self, product: str, fill: Fill) -> str:
        price, size = self._format_amounts(product, fill)
        maker = "sell" if fill.taker == "buy" else "buy"
        time_text = format_us(fill.time_us)
        return f'{{"trade_id":{fill.id},"side":"{maker}","size":"{size}","price":"{price}","time":"{time_text}"}}'


def _list_rows(rows: list[str], headers: dict[str, str] | None = None) -> HttpAnswer:
    return HttpAnswer(body=f"[{','.join(rows)}]".encode(), headers=headers or {})


def _describe(product: Product) -> str:
    base, _, quote = product.id.partition("-")
    about = {"id": product.id, "base_currency": base, "quote_currency": quote, "status": product.status}
    return json.dumps({**about, "trading_disabled": product.status == "delisted"})


def _write_candle(opening_s: int, bar: tuple[int, int, int, int, int], decimals: int) -> str:
    first, high, low, close = (format_number(price, decimals) for price in bar[:4])
    return f"[{opening_s},{low},{high},{first},{close},{format_number(bar[4], _SIZE_DECIMALS)}]"


def _read_time(text: str) -> int:
    return int(text) if text.isdigit() else int(datetime.fromisoformat(text).timestamp())
