"""All formats through one door: ours, and anyone's by the entry-point group `lakehouse_sdk.formats`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.layout.formats import binance, coinbase, ftx
from lakehouse_sdk.tables.layout.formats.model import DATA_TABLES, FormatSpec

GROUP = "lakehouse_sdk.formats"

FORMATS: tuple[FormatSpec, ...] = (*binance.FORMATS, *coinbase.FORMATS, *ftx.FORMATS)
"""Every format that the SDK itself knows."""

_Key = tuple[str, str, str]


class FormatWarning(UserWarning):
    """An installed format could not be loaded and is left out."""


def find_format(source: str, market: str, data_type: str) -> FormatSpec | None:
    """The format of these archives, or None where none is known; a format of the SDK is never replaced by an installed one."""
    key = (source, market, data_type)
    return _OWN.get(key) or _load_installed().get(key)


def get_format(source: str, market: str, data_type: str) -> FormatSpec:
    """The format of these archives.

    Raises:
        UsageError: No such format; the message lists the known ones.
    """
    spec = find_format(source, market, data_type)
    if spec is None:
        known = ", ".join("/".join(key) for key in sorted({*_OWN, *_load_installed()}))
        raise UsageError(f"There is no table format for {source}/{market}/{data_type}.", hint=f"Known: {known}.")
    return spec


def list_formats() -> tuple[FormatSpec, ...]:
    """Every known format, the installed ones last."""
    return (*FORMATS, *_load_installed().values())


def _key(spec: FormatSpec) -> _Key:
    return spec.source, spec.market, spec.data_type


_OWN = {_key(spec): spec for spec in FORMATS}


@cache
def _load_installed() -> dict[_Key, FormatSpec]:
    """Formats of installed packages, loaded once; what does not load is named in a `FormatWarning` and left out."""
    formats: dict[_Key, FormatSpec] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            loaded = _load(entry)
            taken = [spec for spec in loaded if _key(spec) in {*_OWN, *formats}]
            _check(entry, loaded, taken)
        except Exception as error:  # noqa: BLE001 (whatever someone else's package raises, ours goes on)
            owner = f" of the package {entry.dist.name}" if entry.dist else ""
            message = f"The format {entry.name!r}{owner} ({entry.value}) does not load: {type(error).__name__}: {error}"
            warnings.warn(f"{message} It is left out; the others are not affected.", FormatWarning, stacklevel=3)
            continue
        formats |= {_key(spec): spec for spec in loaded}
    return formats


def _load(entry: EntryPoint) -> tuple[FormatSpec, ...]:
    loaded = entry.load()
    specs: Iterable[object] = (loaded,) if isinstance(loaded, FormatSpec) else loaded
    found = tuple(spec for spec in specs if isinstance(spec, FormatSpec))
    if not found or len(found) != len(tuple(specs)):
        raise TypeError("it is neither a FormatSpec nor a sequence of them.")
    return found


def _check(entry: EntryPoint, loaded: tuple[FormatSpec, ...], taken: list[FormatSpec]) -> None:
    for spec in loaded:
        if spec.table not in DATA_TABLES:
            raise ValueError(f"it names the table {spec.table!r}, which does not exist.")
        if not {spec.row_time, *spec.natural_key} <= set(spec.kept):
            raise ValueError(f"its key or time is not among the columns of {'/'.join(_key(spec))}.")
    if taken:
        raise ValueError(f"{entry.name} describes {'/'.join(_key(taken[0]))}, which is described already.")
