"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.transfer import Selection


class Strategy(StrEnum):
    """How bytes travel."""

    AUTO = "auto"
    DIRECT = "direct"
    STREAMING = "streaming"
    STAGED = "staged"


class Compare(StrEnum):
    """When an object counts as already there."""

    AUTO = "auto"
    SIZE_TIME = "size-time"
    SHA256 = "sha256"
    ALWAYS = "always"


class Verify(StrEnum):
    """How much proof is asked for."""

    AUTO = "auto"
    ETAG = "etag"
    SHA256_SAMPLE = "sha256-sample"
    SHA256 = "sha256"


ADDRESS_HELP = "lakehouse://\\[profile@]bucket/prefix, s3://bucket/prefix or a folder."

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line, its kind in `type`.")]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", help="Only names that match this glob (`*.csv`, `daily/**`); repeat. Default: all."),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", help="No names that match this glob; stronger than --include; repeat.")
]
MinSizeOption = Annotated[str | None, typer.Option("--min-size", help="Smallest size: bytes, or as 10MiB, 5GB.")]
MaxSizeOption = Annotated[str | None, typer.Option("--max-size", help="Largest size, as --min-size.")]
NewerOption = Annotated[
    str | None,
    typer.Option(
        "--newer-than", help="Changed at or after this date or time, UTC (2024-01-31, 2024-01-31T12:00), or age (7d, 12h)."
    ),
]
OlderOption = Annotated[str | None, typer.Option("--older-than", help="Changed before this date, time or age.")]

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?:(?P<power>[KMGTP])(?P<binary>i?))?B?", re.IGNORECASE)
_AGE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The text of the options that choose objects."""

    include: list[str] | None
    exclude: list[str] | None
    min_size: str | None
    max_size: str | None
    newer_than: str | None
    older_than: str | None

    def to_selection(self) -> Selection:
        """The selection that they describe.

        Raises:
            UsageError: A size or time cannot be read, or nothing could match.
        """
        return Selection(
            include=self.include or (),
            exclude=self.exclude or (),
            min_bytes=parse_size("--min-size", self.min_size),
            max_bytes=parse_size("--max-size", self.max_size),
            modified_since=parse_time("--newer-than", self.newer_than),
            modified_before=parse_time("--older-than", self.older_than),
        )


def parse_size(option: str, text: str | None) -> int | None:
    """A number of bytes: `1500`, `10MiB` (1,048,576 each), `5GB` (1,000,000,000 each).

    Raises:
        UsageError: Something else; names the option.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r} is not a size.", hint="Write bytes, or a number with a unit such as 10MiB or 5GB.")
    power = "KMGTP".index(match["power"].upper()) + 1 if match["power"] else 0
    return int(float(match["number"]) * (1024 if match["binary"] else 1000) ** power)


def parse_age(option: str, text: str) -> timedelta:
    """A length of time: `7d`, `12h`, `30m`.

    Raises:
        UsageError: Something else; names the option.
    """
    match = _AGE.fullmatch(text)
    try:
        return timedelta(**{_UNITS[match["unit"]]: float(match["number"])}) if match else _refuse_age(option, text)
    except OverflowError:
        return _refuse_age(option, text)


def _refuse_age(option: str, text: str) -> NoReturn:
    raise UsageError(f"{option} {text!r} is not an age.", hint="Write a number with a unit: 30m, 12h, 7d, 2w.")


def parse_time(option: str, text: str | None) -> datetime | None:
    """A date or time, UTC unless it names another zone, or an age before now.

    Raises:
        UsageError: Something else; names the option.
    """
    if text is None:
        return None
    age = _AGE.fullmatch(text)
    try:
        if age is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[age["unit"]]: float(age["number"])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text!r} is neither a date, a time nor an age.",
            hint="Write 2024-01-31, 2024-01-31T12:00 (UTC), or an age such as 7d or 12h.",
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
