"""Gold: bars of any length out of silver tables, with what belongs to them; computed when read, or saved as tables.

Belongs here: what follows from silver tables and may be computed again at any time. Must not: writing to silver, filling gaps
there, knowing archives. Read `GoldView` first; `trades_to_bars`, `bars_to_bars` and the other functions over frames are pure,
vectorised and picklable, so that anything else may run them too.
"""

from lakehouse_sdk.tables.views.gold.crosscheck import CrossCheck, compare_bars, cross_check
from lakehouse_sdk.tables.views.gold.features import add_imbalance, add_returns, add_vwap
from lakehouse_sdk.tables.views.gold.fill import fill_gaps
from lakehouse_sdk.tables.views.gold.intervals import BarInterval, parse_interval
from lakehouse_sdk.tables.views.gold.joins import join_funding, join_price
from lakehouse_sdk.tables.views.gold.opening import DEFINITIONS, BarQuery, GoldDefinition, MadeFrom, open_bars
from lakehouse_sdk.tables.views.gold.resample import bars_to_bars, trades_to_bars
from lakehouse_sdk.tables.views.gold.view import Feature, Gaps, GoldInput, GoldView

__all__ = [
    "DEFINITIONS",
    "BarInterval",
    "BarQuery",
    "CrossCheck",
    "Feature",
    "Gaps",
    "GoldDefinition",
    "GoldInput",
    "GoldView",
    "MadeFrom",
    "add_imbalance",
    "add_returns",
    "add_vwap",
    "bars_to_bars",
    "compare_bars",
    "cross_check",
    "fill_gaps",
    "join_funding",
    "join_price",
    "open_bars",
    "parse_interval",
    "trades_to_bars",
]
