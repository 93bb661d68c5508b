"""Rules of other packages, by the entry-point group `lakehouse_sdk.rules`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lakehouse_sdk.tables.judge.rules.model import Rule

GROUP = "lakehouse_sdk.rules"


class RuleWarning(UserWarning):
    """An installed rule could not be loaded and is left out."""


@cache
def load_installed(taken: frozenset[str]) -> tuple[Rule, ...]:
    """Rules of installed packages, loaded once; what does not load is named in a `RuleWarning` and left out.

    Args:
        taken: Ids that have a meaning already.
    """
    rules: dict[str, Rule] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            loaded = _load(entry)
            _check(loaded, taken | set(rules))
        except Exception as error:  # noqa: BLE001 (whatever someone else's package raises, ours goes on)
            owner = f" of the package {entry.dist.name}" if entry.dist else ""
            message = f"The rule {entry.name!r}{owner} ({entry.value}) does not load: {type(error).__name__}: {error}"
            warnings.warn(f"{message} It is left out; the others are not affected.", RuleWarning, stacklevel=3)
            continue
        rules |= {rule.id: rule for rule in loaded}
    return tuple(rules.values())


def _load(entry: EntryPoint) -> tuple[Rule, ...]:
    loaded = entry.load()
    rules: Iterable[object] = (loaded,) if isinstance(loaded, Rule) else tuple(loaded)
    found = tuple(rule for rule in rules if isinstance(rule, Rule))
    if not found or len(found) != len(tuple(rules)):
        raise TypeError("it is neither a Rule nor a sequence of them.")
    return found


def _check(rules: tuple[Rule, ...], taken: frozenset[str] | set[str]) -> None:
    ids = [rule.id for rule in rules]
    for rule in rules:
        if rule.id in taken or ids.count(rule.id) > 1:
            raise ValueError(f"the id {rule.id!r} has a meaning already.")
        if not rule.shows:
            raise ValueError(f"{rule.id!r} names no column that it is about.")
