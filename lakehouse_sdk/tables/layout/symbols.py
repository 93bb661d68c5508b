"""Symbols as a reader writes them, the publisher's or ccxt's, as a filter that prunes."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_sdk.errors import NotFoundError, UsageError
from lakehouse_sdk.tables.layout.filters import all_of, any_of, equals, one_of

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table as IcebergTable

Spellings = Mapping[str, Sequence[tuple[str, str, str]]]
"""Canonical name → the series that it stands for: source, market, symbol."""
FindSpellings = Callable[[Sequence[str]], Spellings]
"""Looks canonical names up; those that nobody knows are left out."""

_SHOWN = 20


def match_symbols(
    source: IcebergTable, name: str, symbols: tuple[str, ...], snapshot_id: int | None, find_spellings: FindSpellings
) -> BooleanExpression:
    """Rows of these symbols, each as its publisher spells it (`BTCUSDT`) or as ccxt does (`BTC/USDT:USDT`).

    A canonical name becomes source, market and symbol of what it stands for: partitions and statistics of all three prune.

    Raises:
        UsageError: No symbol is named.
        NotFoundError: The table holds no row of one of them; an empty answer would hide a misspelling.
    """
    if not symbols:
        raise UsageError("No symbol is selected.", hint="Leave symbols out for all of them.")
    spellings = find_spellings([symbol for symbol in symbols if "/" in symbol])
    natives = [symbol for symbol in symbols if symbol not in spellings]
    if snapshot_id is not None:
        for symbol in natives:
            _check_native(source, name, symbol, snapshot_id)
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for series in spellings.values():
        for publisher, market, symbol in series:
            places[publisher, market].append(symbol)
    parts = [one_of("symbol", natives)] if natives else []
    parts += [
        all_of([equals("source", publisher), equals("market", market), one_of("symbol", found)])
        for (publisher, market), found in places.items()
    ]
    return any_of(parts)


def _check_native(source: IcebergTable, name: str, symbol: str, snapshot_id: int) -> None:
    probe = source.scan(equals("symbol", symbol), selected_fields=("symbol",), snapshot_id=snapshot_id, limit=1)
    if not probe.to_arrow().num_rows:
        known = list_symbols(source, snapshot_id)
        close = difflib.get_close_matches(symbol.upper(), known, 3, 0.5)
        guess = f"Did you mean {' or '.join(close)}? " if close else ""
        shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
        raise NotFoundError(f"{name} holds no row of {symbol!r}.", hint=f"{guess}It has: {shown}.")


def list_symbols(source: IcebergTable, snapshot_id: int) -> list[str]:
    """Every symbol of the table, and where it has them the canonical names; sorted."""
    columns = [column for column in ("symbol", "instrument") if column in source.schema().column_names]
    scan = source.scan(selected_fields=tuple(columns), snapshot_id=snapshot_id)
    found: set[str] = set()
    for batch in scan.to_arrow_batch_reader(dictionary_columns=tuple(columns)):
        for column in columns:
            found.update(value for value in batch[column].dictionary.to_pylist() if value)
    return sorted(found)
