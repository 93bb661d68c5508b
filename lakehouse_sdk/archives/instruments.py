"""What a symbol stands for, read from its spelling; pure.

A spelling says base, quote and kind only as far as its source keeps rules: where no rule fits, the fields are empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lakehouse_sdk.archives.assets import DOUBTFUL_QUOTES, QUOTES, REUSED, list_assets

Kind = Literal["spot", "perpetual", "future", "option", "index", "unknown"]

_DELIVERY = re.compile(r"(?P<pair>[^_]+)_(?P<date>\d{6})")
_PERPETUAL = re.compile(r"(?P<pair>[^_]+)_PERP")
_FTX_DATE = re.compile(r"(?P<base>.+)-(?P<date>\d{4}|\d{8})")
_NO_SIGN = frozenset("-/:")
"""Signs of a canonical name, which no asset has in its own."""
_SETTLED = re.compile(r"(?P<symbol>.+?)_?SETTLED")
_BTC_CONTRACT_USD, _CONTRACT_USD = 100.0, 10.0
"""Value of one contract of the coin-margined market: 100 USD of BTC, 10 USD of everything else."""


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
        delisted: True where others of the same market go on for more than a week (monthly archives: two months) after it, or
            where its bars in the tables are without a trade for more than a week at their end.
        last_trade: End of the last bar with a trade, where the tables have more than a week of bars without one behind it; None
            otherwise: a publisher may go on with flat bars of a symbol that nobody can trade.
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
    last_trade: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a symbol's spelling says; see `Instrument`."""

    canonical: str = ""
    base: str = ""
    quote: str = ""
    kind: Kind = "unknown"
    contract_size: float | None = None


def read_symbol(source: str, market: str, symbol: str, at: datetime | None = None) -> Spelling:
    """What the spelling of a symbol says; empty fields where it follows no known rule of its source. Never raises.

    Args:
        source: Connector name.
        market: As the source calls it.
        symbol: As the source spells it.
        at: When, for names that were given to another asset later: Terra's LUNA of 2021 is LUNC today. None: now.
    """
    if source == "binance":
        return _read_binance(market, symbol, at)
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
    """Base and quote of two assets written together; two empty texts where no known quote asset ends it.

    A known base decides, then the longest quote, but for quotes that hardly any pair has: `ADAEUR` is ADA/EUR.
    """
    fitting = [(pair.removesuffix(quote), quote) for quote in QUOTES if pair.endswith(quote) and pair != quote]
    if not fitting:
        return "", ""
    known = [(base, quote) for base, quote in fitting if base in list_assets()]
    if known:
        return known[0]
    return max(fitting, key=lambda split: (split[1] not in DOUBTFUL_QUOTES, len(split[1])))


def _read_binance(market: str, symbol: str, at: datetime | None) -> Spelling:
    if market == "option":
        return Spelling(kind="index" if symbol.endswith("BVOLUSDT") else "option")
    if market != "spot" and (settled := _SETTLED.fullmatch(symbol)):
        # A contract that was settled and whose symbol began anew: what it was, so that whoever asks for the pair has it too.
        return _read_binance(market, settled["symbol"], at)
    delivery, perpetual = _DELIVERY.fullmatch(symbol), _PERPETUAL.fullmatch(symbol)
    match = delivery or perpetual
    pair = match["pair"] if match else symbol
    if market == "cm":
        base, quote = (pair.removesuffix("USD"), "USD") if pair.endswith("USD") and pair != "USD" else ("", "")
    else:
        base, quote = split_pair(pair)
    kind: Kind = "spot" if market == "spot" else "future" if delivery else "perpetual"
    if not base or (match and market == "spot") or not _NO_SIGN.isdisjoint(base):
        return Spelling()
    base, quote = (_name_at("binance", asset, at) for asset in (base, quote))
    if market == "spot":
        return Spelling(f"{base}/{quote}", base, quote, kind)
    settled_in = base if market == "cm" else quote
    expiry = f"-{delivery['date']}" if delivery else ""
    size = None if market != "cm" else _BTC_CONTRACT_USD if base == "BTC" else _CONTRACT_USD
    return Spelling(f"{base}/{quote}:{settled_in}{expiry}", base, quote, kind, size)


def _name_at(source: str, asset: str, at: datetime | None) -> str:
    """What an asset is called today that had this name at a time."""
    until, name = REUSED.get((source, asset), (None, asset))
    return name if at is not None and until is not None and at < until else asset


def _read_ftx(symbol: str) -> Spelling:
    if symbol.endswith("-PERP"):
        base = symbol.removesuffix("-PERP")
        return Spelling(f"{base}/USD:USD", base, "USD", "perpetual")
    if match := _FTX_DATE.fullmatch(symbol):  # BTC-0325 does not say its year, so there is no canonical name
        return Spelling("", match["base"], "USD", "future")
    base, slash, quote = symbol.replace("-", "/").partition("/")
    return Spelling(f"{base}/{quote}", base, quote, "spot") if slash and "/" not in quote and quote else Spelling()
