"""Which objects a transfer is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from lakehouse_sdk.errors import UsageError


@dataclass(frozen=True)
class Selection:
    """Which objects below the source a transfer is about; a value, empty by default: all of them.

    Rules, in this order: (1) a name that matches any pattern of `exclude` is out; (2) with `include`, a name that matches
    none of its patterns is out; (3) an object outside the sizes or times is out. What is out is not copied, and its
    counterpart at the target is never deleted.

    Patterns are globs on the name below the prefix, case-sensitive: `*` and `?` stay inside one component, `**` crosses
    slashes, `[a-c]` and `[!a-c]` are one of some characters, `[*]` is a star itself. A pattern without a slash is looked for
    at any depth (`*.csv`, `tmp`); one with a slash starts at the prefix (`daily/*.zip`, `/tmp`); a pattern that matches a
    folder, or ends with a slash, stands for everything in it.

    Attributes:
        include: Patterns of which one must match, one of them or several; none means all names.
        exclude: Patterns of which none may match; stronger than `include`.
        min_bytes: Smallest size.
        max_bytes: Largest size.
        modified_since: Aware time from which the source's last change counts, inclusive.
        modified_before: Aware time up to which the source's last change counts, exclusive.

    Raises:
        UsageError: A pattern is empty, a time has no zone, or the limits leave nothing.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    min_bytes: int | None = None
    max_bytes: int | None = None
    modified_since: datetime | None = None
    modified_before: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            value = getattr(self, name)
            # A single pattern is what people write first; as a sequence it would be its letters.
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
            if not all(getattr(self, name)):
                raise UsageError(f"An {name} pattern is empty.", hint="Write a glob such as *.zip or daily/**.")
        for time in (self.modified_since, self.modified_before):
            if time is not None and time.tzinfo is None:
                raise UsageError(f"{time.isoformat()} has no time zone.", hint="Write datetime(…, tzinfo=UTC).")
        if self.min_bytes is not None and self.max_bytes is not None and self.min_bytes > self.max_bytes:
            raise UsageError(f"No object has at least {self.min_bytes:,} and at most {self.max_bytes:,} bytes.")
        if self.modified_since and self.modified_before and self.modified_since >= self.modified_before:
            raise UsageError("No object changed since one time and before an earlier one.")

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self == SELECT_ALL

    @property
    def has_patterns(self) -> bool:
        """True where names matter."""
        return bool(self.include or self.exclude)

    @property
    def has_limits(self) -> bool:
        """True where sizes or times matter."""
        limits = (self.min_bytes, self.max_bytes, self.modified_since, self.modified_before)
        return any(limit is not None for limit in limits)

    def selects_name(self, name: str) -> bool:
        """True where the rules on names let `name` (below the prefix, no leading slash) in."""
        if self._excluded is not None and self._excluded.match(name):
            return False
        return self._included is None or self._included.match(name) is not None

    def selects_object(self, size_bytes: int, last_modified: datetime) -> bool:
        """True where the rules on size and time let an object in."""
        if self.min_bytes is not None and size_bytes < self.min_bytes:
            return False
        if self.max_bytes is not None and size_bytes > self.max_bytes:
            return False
        if self.modified_since is not None and last_modified < self.modified_since:
            return False
        return self.modified_before is None or last_modified < self.modified_before

    @cached_property
    def _included(self) -> re.Pattern[str] | None:
        return _compile(self.include)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        return _compile(self.exclude)

    def describe(self) -> str:
        """One line for people; empty where nothing is left out."""
        parts = [f"{name} {', '.join(patterns)}" for name in ("include", "exclude") if (patterns := getattr(self, name))]
        parts += [f"at least {self.min_bytes:,} bytes"] if self.min_bytes is not None else []
        parts += [f"at most {self.max_bytes:,} bytes"] if self.max_bytes is not None else []
        parts += [f"changed since {_time(self.modified_since)}"] if self.modified_since else []
        parts += [f"changed before {_time(self.modified_before)}"] if self.modified_before else []
        return "; ".join(parts)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(_translate, patterns)), re.DOTALL) if patterns else None


def _translate(pattern: str) -> str:
    """One glob as a regular expression that matches a whole name."""
    folder = pattern.endswith("/")
    bare = pattern.strip("/")
    start = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    return rf"{start}{_translate_parts(bare)}{'/.*' if folder else '(?:/.*)?'}\Z"


def _translate_parts(pattern: str) -> str:
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            out.append("(?:.*/)?")  # any number of folders, none too
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            out.append(_translate_set(pattern[at + 1 : end]))
            at = end + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    return "".join(out)


def _translate_set(members: str) -> str:
    negated = members.startswith("!") and len(members) > 1
    inside = (
        members[negated:].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^").replace("&", r"\&").replace("~", r"\~")
    )
    return rf"(?!/)[{'^' if negated else ''}{inside}]"


SELECT_ALL = Selection()
"""Everything."""
