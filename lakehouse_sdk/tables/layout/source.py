"""Where rows come from: one archive in bronze, as the later stages of the table know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from lakehouse_sdk.errors import UsageError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One archive whose rows go into a table; the pair (`key`, `sha256`) identifies its content for ever.

    Attributes:
        source: Publisher, for example `binance`.
        market: Market of the publisher, for example `spot` or `um`.
        data_type: Type as the publisher spells it, for example `klines` or `aggTrades`.
        symbol: Symbol as the publisher spells it.
        interval: Bar length such as `1m`; None where the type has none.
        period_start: First instant the archive covers, aware UTC.
        period_end: First instant after it, aware UTC; the period is half-open.
        key: Key as the publisher lists it; the name under which a newer revision replaces an older one.
        sha256: Hash of the archive's bytes, 64 lower-case hexadecimal digits.
        instrument: The symbol as ccxt writes it, for example `BTC/USDT:USDT`; None where its spelling follows no known rule.
        is_unusual: True where symbol or day are of no form that is known of the publisher; its rows are flagged.
    """

    source: str
    market: str
    data_type: str
    symbol: str
    interval: str | None
    period_start: datetime
    period_end: datetime
    key: str
    sha256: str
    instrument: str | None = None
    is_unusual: bool = False

    def __post_init__(self) -> None:
        for name in ("period_start", "period_end"):
            offset = getattr(self, name).utcoffset()
            if offset is None or offset:
                raise UsageError(f"{name} of {self.key} is not a UTC time.", hint="Give an aware datetime in UTC.")
        if self.period_start >= self.period_end:
            raise UsageError(f"The period of {self.key} is empty: {self.period_start} to {self.period_end}.")

    @property
    def stem(self) -> str:
        """File name without its last suffix; the CSV inside the archive carries it too."""
        return PurePosixPath(self.key).stem

    @property
    def container(self) -> str:
        """What is around the file: `zip`, `gz`, or `plain` for nothing, as the key's suffix says."""
        return {".zip": "zip", ".gz": "gz"}.get(PurePosixPath(self.key).suffix.lower(), "plain")

    @property
    def build_order(self) -> tuple[str, str, str, str, datetime, str]:
        """Sort by this before building: archives of one partition follow each other, which makes few, large files."""
        return (self.data_type, self.source, self.market, self.interval or "", self.period_start, self.symbol)
