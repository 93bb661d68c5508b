"""What a symbol stands for, read from its spelling; pure.

A spelling says base, quote and kind only as far as its source keeps rules: where no rule fits, the fields are empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["spot", "perpetual", "future", "option", "index", "unknown"]

QUOTES = (
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "USD", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "AUD", "JPY",
    "RUB", "UAH", "NGN", "ZAR", "ARS", "MXN", "PLN", "RON", "CZK", "COP", "IDR", "IDRT", "BIDR", "BKRW", "BVND", "DAI", "PAX",
    "USDS", "VAI", "UST", "TRX", "XRP", "DOGE", "DOT", "SOL", "AEUR", "EURI", "USD1",
)  # fmt: skip
"""Quote assets, the commonest first; the longest that a symbol ends with is taken."""
_BY_LENGTH = sorted(QUOTES, key=len, reverse=True)
_DELIVERY = re.compile(r"(?P<pair>[^_]+)_(?P<date>\d{6})")
_PERPETUAL = re.compile(r"(?P<pair>[^_]+)_PERP")
_FTX_DATE = re.compile(r"(?P<base>.+)-(?P<date>\d{4}|\d{8})")
_CONTRACT_SIZES = {("cm", "BTC"): 100.0}
"""Value of one contract in quote currency, where it was seen published: BTCUSD_PERP 100 USD."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of one market.

    Attributes:
        source: Connector name.
        market: As the source calls it.
        symbol: As the source spells it.
        canonical: As ccxt writes it: `BTC/USDT`, linear perpetual `BTC/USDT:USDT`, inverse `BTC/USD:BTC`, with `-YYMMDD` where
            it expires; empty where the spelling follows no known rule.
        base: Base asset, empty as above.
        quote: Quote asset, empty as above.
        kind: What it is.
        contract_size: Value of one contract in quote currency, where known.
        first: Start of the first period that the source publishes, aware UTC.
        last: End of the last one, exclusive.
        delisted: True where others of the same market go on for more than a week (monthly archives: two months) after it.
    """

    source: str
    market: str
    symbol: str
    canonical: str
    base: str
    quote: str
    kind: Kind
    contract_size: float | None
    first: datetime
    last: datetime
    delisted: bool


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a symbol's spelling says; see `Instrument`."""

    canonical: str = ""
    base: str = ""
    quote: str = ""
    kind: Kind = "unknown"
    contract_size: float | None = None


def read_symbol(source: str, market: str, symbol: str) -> Spelling:
    """What the spelling of a symbol says; empty fields where it follows no known rule of its source. Never raises."""
    if source == "binance":
        return _read_binance(market, symbol)
    if source == "coinbase":
        base, _, quote = symbol.partition("-")
        return Spelling(f"{base}/{quote}", base, quote, "spot") if base and quote else Spelling()
    if source == "ftx":
        return _read_ftx(symbol)
    return Spelling()


def spell_symbol(source: str, market: str, canonical: str) -> str | None:
    """The native symbol of a canonical one: `read_symbol` gives the canonical one back; None where no rule leads there."""
    pair, _, settled = canonical.partition(":")
    base, _, quote = pair.partition("/")
    _, _, expiry = settled.partition("-")
    tried = {
        "binance": (f"{base}{quote}_{expiry}", f"{base}{quote}_PERP" if market == "cm" else f"{base}{quote}"),
        "coinbase": (f"{base}-{quote}",),
        "ftx": (f"{base}-PERP", canonical),
    }.get(source, ())
    return next((symbol for symbol in tried if read_symbol(source, market, symbol).canonical == canonical), None)


def split_pair(pair: str) -> tuple[str, str]:
    """Base and quote of two assets written together; two empty texts where no known quote asset ends it."""
    for quote in _BY_LENGTH:
        if pair.endswith(quote) and len(pair) > len(quote):
            return pair.removesuffix(quote), quote
    return "", ""


def _read_binance(market: str, symbol: str) -> Spelling:
    if market == "option":
        return Spelling(kind="index" if symbol.endswith("BVOLUSDT") else "option")
    delivery, perpetual = _DELIVERY.fullmatch(symbol), _PERPETUAL.fullmatch(symbol)
    match = delivery or perpetual
    base, quote = split_pair(match["pair"] if match else symbol)
    kind: Kind = "spot" if market == "spot" else "future" if delivery else "perpetual"
    if not base or (match and market == "spot"):
        return Spelling()
    if market == "spot":
        return Spelling(f"{base}/{quote}", base, quote, kind)
    settled_in = base if market == "cm" else quote
    expiry = f"-{delivery['date']}" if delivery else ""
    size = _CONTRACT_SIZES.get((market, base))
    return Spelling(f"{base}/{quote}:{settled_in}{expiry}", base, quote, kind, size)


def _read_ftx(symbol: str) -> Spelling:
    if symbol.endswith("-PERP"):
        base = symbol.removesuffix("-PERP")
        return Spelling(f"{base}/USD:USD", base, "USD", "perpetual")
    if match := _FTX_DATE.fullmatch(symbol):  # BTC-0325 does not say its year, so there is no canonical name
        return Spelling("", match["base"], "USD", "future")
    base, slash, quote = symbol.replace("-", "/").partition("/")
    return Spelling(f"{base}/{quote}", base, quote, "spot") if slash and "/" not in quote and quote else Spelling()
