"""Finding tables, columns and series by a few words."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyiceberg.exceptions import NoSuchTableError

from lakehouse_sdk.display import format_count, html_card, html_table, text_table
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.layout.schemas import LAYOUTS, QUALITY
from lakehouse_sdk.tables.read.series import SeriesInfo, list_series

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable

_WORDS = {
    "bar": "kline",
    "bars": "klines",
    "candle": "kline",
    "candles": "klines",
    "ohlcv": "klines",
    "perp": "um",
    "perpetual": "um",
    "perpetuals": "um",
    "futures": "um",
    "linear": "um",
    "inverse": "cm",
}
"""What people say, and what a name says."""
_SAME, _BEGINS, _HOLDS, _SAYS, _LIKE = 4.0, 2.0, 1.0, 0.5, 0.25
"""A word is a field, begins it, is in it, is in its documentation, or is nearly it."""
_NEAR = 0.8


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """One thing that was found.

    Attributes:
        kind: `series`, `table` or `column`.
        table: Full name of the table.
        name: Of a series the symbol, of a column its name, of a table its name.
        doc: What it is.
        score: How well it fits; comparable within one search only.
        series: The series, of that kind.
    """

    kind: Literal["series", "table", "column"]
    table: str
    name: str
    doc: str
    score: float
    series: SeriesInfo | None = None


@dataclass(frozen=True)
class SearchResult:
    """What was found, the best first.

    Attributes:
        text: What was searched for.
        matches: At most as many as were asked for.
        total: How many there were.
    """

    text: str
    matches: tuple[SearchMatch, ...]
    total: int

    def __iter__(self) -> Iterator[SearchMatch]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"text": self.text, "total": self.total, "matches": [asdict(match) for match in self.matches]}

    def __repr__(self) -> str:
        if not self.matches:
            return f"<SearchResult {self.text!r}: nothing found>"
        return text_table(self.rows(), COLUMNS, width=160)

    def _repr_html_(self) -> str:
        facts = {"found": format_count(self.total), "shown": format_count(len(self))}
        return html_card(f"Search: {self.text}", facts, html_table(self.rows(), COLUMNS) if self.matches else "")

    def rows(self) -> list[tuple[object, ...]]:
        """One line for each match, as `COLUMNS`."""
        return [_row(match) for match in self.matches]


COLUMNS = ("kind", "table", "name", "canonical", "interval", "market", "source", "rows", "from", "to", "meaning")


def _row(match: SearchMatch) -> tuple[object, ...]:
    found = match.series
    if found is None:
        return (match.kind, match.table, match.name, *[""] * 4, None, "", "", match.doc)
    first = f"{found.first_time:%Y-%m-%d}" if found.first_time else ""
    last = f"{found.last_time:%Y-%m-%d}" if found.last_time else ""
    names = (found.symbol, found.instrument or "", found.interval or "", found.market, found.source)
    return (match.kind, match.table, *names, found.rows, first, last, "")


def search_catalog(catalog: Catalog, tables: Sequence[str], text: str, limit: int) -> SearchResult:
    """Everything that fits, the best first; see `TableCatalog.search`.

    Raises:
        UsageError: There is no word.
    """
    words = list(dict.fromkeys(text.replace(",", " ").split()))
    if not words:
        raise UsageError(
            "There is nothing to search for.", hint="Name a symbol, a data type, an interval or what a column means."
        )
    found: list[tuple[int, SearchMatch]] = []
    for name in tables:
        found += _search_table(name, *_documented(catalog, name), words)
    try:
        series = list_series(catalog.load_table(QUALITY))
    except NoSuchTableError:
        series = []
    found += _search_series(series, words)
    most = max((fits for fits, _ in found), default=0)
    matches = [match for fits, match in found if fits == most]
    matches.sort(key=lambda m: (-m.score, -(m.series.rows if m.series else 0), m.kind != "series", m.table, m.name))
    return SearchResult(text, tuple(matches[:limit]), len(matches))


def _documented(catalog: Catalog, name: str) -> tuple[str, Schema]:
    """What a table says of itself; those of the SDK need no request."""
    layout = LAYOUTS.get(name)
    if layout is not None:
        return layout.doc, layout.schema
    table: IcebergTable = catalog.load_table(name)
    return table.properties.get("comment", ""), table.schema()


def _search_table(name: str, doc: str, schema: Schema, words: Sequence[str]) -> Iterator[tuple[int, SearchMatch]]:
    scores = [max(_weigh(word, name.partition(".")[2]), _weigh_doc(word, doc), _weigh(word, name)) for word in words]
    if any(scores):
        yield sum(map(bool, scores)), SearchMatch("table", name, name, doc, sum(scores))
    for field in schema.fields:
        meaning = field.doc or ""
        said = [max(_weigh(word, field.name), _weigh_doc(word, meaning)) for word in words]
        own = sum(said)
        if own >= _HOLDS:  # the table's name may help, and is not enough
            both = [mine or _weigh(word, name.partition(".")[2]) for mine, word in zip(said, words, strict=True)]
            yield sum(map(bool, both)), SearchMatch("column", name, field.name, meaning, own)


def _search_series(series: Sequence[SeriesInfo], words: Sequence[str]) -> Iterator[tuple[int, SearchMatch]]:
    """Each distinct value of a field is weighed once, however many series have it."""
    weigh = functools.cache(_weigh)
    weigh_interval = functools.cache(_weigh_interval)
    for one in series:
        layout = LAYOUTS.get(one.table)
        doc = layout.doc if layout is not None else ""
        fields = (one.symbol, one.instrument or "", one.market, one.source, one.data_type, one.table.partition(".")[2])
        scores = [
            max(*(weigh(word, field) for field in fields), weigh_interval(word, one.interval or ""), _weigh_doc(word, doc))
            for word in words
        ]
        if any(scores):
            yield sum(map(bool, scores)), SearchMatch("series", one.table, one.symbol, doc, sum(scores), one)


def _weigh(word: str, field: str) -> float:
    """How well a word fits a name."""
    asked, name = word.lower(), field.lower()
    return max(_weigh_one(asked, name), _weigh_one(_WORDS[asked], name) if asked in _WORDS else 0.0)


def _weigh_one(word: str, name: str) -> float:
    parts = name.replace("/", "_").replace(":", "_").replace("-", "_").replace(".", "_").split("_")
    if word == name:
        return _SAME
    if word in parts:
        return _SAME * 0.75
    if name.startswith(word):
        return _BEGINS
    if len(word) > 1 and word in name:
        return _HOLDS
    return _LIKE if _is_near(word, name) else 0.0


def _is_near(word: str, name: str) -> bool:
    """A slip of the fingers; what cannot be one is told without comparing letters."""
    if len(word) < 4 or abs(len(word) - len(name)) > 1 or word[0] != name[0]:
        return False
    return difflib.SequenceMatcher(None, word, name).ratio() >= _NEAR


def _weigh_interval(word: str, interval: str) -> float:
    """An interval is meant or not: 1m is no beginning of 1mo, and 1M is a month."""
    return _SAME if word == interval else 0.0


@functools.lru_cache(4096)
def _weigh_doc(word: str, doc: str) -> float:
    """A word of a documentation; short ones are in every text."""
    return _SAYS if len(word) > 2 and word.lower() in doc.lower() else 0.0
