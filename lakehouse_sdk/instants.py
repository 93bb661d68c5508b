"""Ground: points in time, as people write them in calls.

Belongs here: text and datetimes into aware UTC times. Must not: knowing what happened then.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lakehouse_sdk.errors import UsageError


def to_instant(name: str, value: datetime | str | None) -> datetime | None:
    """An aware UTC time; None stays None.

    Args:
        name: What the caller calls it, for the error.
        value: An aware datetime, or ISO text, which without a zone is UTC.

    Raises:
        UsageError: The text is no time, or a datetime has no zone, so that nobody knows what it means.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(f"{name}={value!r} is not a time.", hint="Write 2024-01-31 or 2024-01-31T12:00:00.") from None
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    if value.tzinfo is None:
        raise UsageError(f"{name}={value} has no time zone.", hint="Give an aware datetime, or text, which is taken as UTC.")
    return value.astimezone(UTC)
