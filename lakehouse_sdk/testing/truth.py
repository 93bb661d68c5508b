"""What was published, and what must become of it: computed from what was planted, never by reading it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from lakehouse_sdk.errors import UsageError


@dataclass(frozen=True, slots=True)
class ArchiveTruth:
    """One published archive and its expected outcome.

    `rows_in == accepted + duplicates + sum(quarantined.values())`, always.

    Attributes:
        key: Key in the mirror's bucket.
        market: `spot` or `um`.
        data_type: `klines` or `aggTrades`.
        symbol: Symbol.
        interval: Bar length; None for aggTrades.
        frequency: `daily` or `monthly`.
        period: `2024-12` or `2024-12-31`.
        size_bytes: Size of the zip file.
        sha256: SHA-256 of the zip file as it is, hex, whatever its checksum file says.
        has_checksum: True where a checksum file was published, right or wrong.
        rows_published: Data rows that its CSV holds, a header not counted.
        rows_in: Those of them that a reader meets: 0 where the whole file must be refused.
        accepted: Rows that belong into the table.
        duplicates: Rows that repeat an accepted row exactly.
        quarantined: Rule → rows that break it.
        volume: Exact sum of `volume` (klines) or `quantity` (aggTrades) of the accepted rows, as a decimal.
        refused: Why the whole file must be refused: `checksum-mismatch`, `checksum-malformed`, `zip-unreadable`,
            `zip-members`; None where it must not.
        defect: What was planted in it; None for a clean archive.
    """

    key: str
    market: str
    data_type: str
    symbol: str
    interval: str | None
    frequency: str
    period: str
    size_bytes: int
    sha256: str
    has_checksum: bool
    rows_published: int
    rows_in: int
    accepted: int
    duplicates: int
    quarantined: Mapping[str, int]
    volume: str
    refused: str | None
    defect: str | None


@dataclass(frozen=True, slots=True)
class OddityTruth:
    """A key that is published below the tree and is no archive.

    Attributes:
        key: The key.
        kind: `stray-part` or `unpadded-month`.
    """

    key: str
    kind: str


@dataclass(frozen=True, slots=True)
class TruthTotals:
    """Sums over archives; `rows_in == accepted + duplicates + quarantined`.

    Attributes:
        archives: Archives.
        size_bytes: Bytes of their zip files.
        rows_published: As in `ArchiveTruth`.
        rows_in: As in `ArchiveTruth`.
        accepted: As in `ArchiveTruth`.
        duplicates: As in `ArchiveTruth`.
        quarantined: Rows that break a rule.
        quarantined_by_rule: The same by rule.
        refused_by_reason: Archives that must be refused, by reason.
    """

    archives: int
    size_bytes: int
    rows_published: int
    rows_in: int
    accepted: int
    duplicates: int
    quarantined: int
    quarantined_by_rule: Mapping[str, int]
    refused_by_reason: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MirrorTruth:
    """All that a mirror holds.

    Attributes:
        bucket: Its bucket.
        archives: Published archives, by key.
        oddities: Published keys that are none.
        not_published: Keys of archives that belong to the mirror's periods and are missing.
    """

    bucket: str
    archives: tuple[ArchiveTruth, ...]
    oddities: tuple[OddityTruth, ...] = ()
    not_published: tuple[str, ...] = ()
    _by_key: Mapping[str, ArchiveTruth] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {archive.key: archive for archive in self.archives})

    def archive(self, key: str) -> ArchiveTruth:
        """The archive with this key.

        Raises:
            UsageError: The mirror has none.
        """
        try:
            return self._by_key[key]
        except KeyError:
            raise UsageError(f"The mirror {self.bucket} holds no archive {key!r}.") from None

    def for_keys(self, keys: Iterable[str]) -> MirrorTruth:
        """The truth about these archives alone, duplicates among the keys removed; oddities and missing ones stay.

        Raises:
            UsageError: One of them is not an archive of this mirror.
        """
        return replace(self, archives=tuple(self.archive(key) for key in sorted(set(keys))))

    def select_auto(self) -> MirrorTruth:
        """The archives that the cadence `auto` should take: monthly ones where there are any, daily ones of other months."""
        months = {(a.market, a.data_type, a.symbol, a.period) for a in self.archives if a.frequency == "monthly"}
        taken = (
            archive
            for archive in self.archives
            if archive.frequency == "monthly"
            or (archive.market, archive.data_type, archive.symbol, archive.period[: len("2024-12")]) not in months
        )
        return replace(self, archives=tuple(taken))

    @property
    def totals(self) -> TruthTotals:
        """Sums over all archives."""
        rules: Counter[str] = Counter()
        for archive in self.archives:
            rules.update(archive.quarantined)
        return TruthTotals(
            len(self.archives),
            sum(archive.size_bytes for archive in self.archives),
            sum(archive.rows_published for archive in self.archives),
            sum(archive.rows_in for archive in self.archives),
            sum(archive.accepted for archive in self.archives),
            sum(archive.duplicates for archive in self.archives),
            rules.total(),
            dict(sorted(rules.items())),
            dict(sorted(Counter(archive.refused for archive in self.archives if archive.refused).items())),
        )

    def volumes(self) -> dict[tuple[str, str, str], Decimal]:
        """(market, data type, symbol) → exact sum of the volume of all accepted rows."""
        sums: dict[tuple[str, str, str], Decimal] = {}
        for archive in self.archives:
            series = (archive.market, archive.data_type, archive.symbol)
            sums[series] = sums.get(series, Decimal(0)) + Decimal(archive.volume)
        return sums

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives the truth back."""
        return {
            "bucket": self.bucket,
            "archives": [asdict(archive) for archive in self.archives],
            "oddities": [asdict(oddity) for oddity in self.oddities],
            "not_published": list(self.not_published),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MirrorTruth:
        """The truth that `to_dict` wrote."""
        return cls(
            values["bucket"],
            tuple(ArchiveTruth(**archive) for archive in values["archives"]),
            tuple(OddityTruth(**oddity) for oddity in values["oddities"]),
            tuple(values["not_published"]),
        )
