"""Assets that exchanges list, and what became of those whose names were given to others; data.

A pair is two assets written together, `ADAEUR` is ADA and EUR or AD and AEUR: only what is an asset decides. The list need not
be whole: of a base that it does not know the quote decides alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

QUOTES = (
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "RLUSD", "XUSD", "BFUSD", "USD1", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY",
    "BRL", "AUD", "JPY", "RUB", "UAH", "NGN", "ZAR", "ARS", "MXN", "PLN", "RON", "CZK", "COP", "BIDR", "IDR", "IDRT", "BKRW",
    "BVND", "DAI", "PAX", "USDS", "VAI", "UST", "TRX", "XRP", "DOGE", "DOT", "SOL", "EURI", "AEUR", "USD",
)  # fmt: skip
"""Quote assets of spot and of linear futures, the commonest first; where two fit a symbol equally well, the first is taken."""

DOUBTFUL_QUOTES = frozenset({"AEUR", "XUSD", "USD"})
"""Quotes of few pairs, or of none, whose names end those of others: taken for a known base, or where nothing else fits."""

REUSED = {("binance", "LUNA"): (datetime(2022, 5, 28, tzinfo=UTC), "LUNC")}
"""Source and asset → until when the name meant another asset, and what that one is called today.

Terra's coin fell to nothing in May 2022; trading in it ended on the 13th, and on the 31st another coin took the name LUNA.
"""


@cache
def list_assets() -> frozenset[str]:
    """Assets that were seen as a base or a quote of a listed pair, of `assets.txt`."""
    text = files("lakehouse_sdk.archives").joinpath("assets.txt").read_text(encoding="utf-8")
    return frozenset(name for line in text.splitlines() if not line.startswith("#") for name in line.split())
