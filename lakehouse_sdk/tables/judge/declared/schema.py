"""What a user declares of a table: columns with types, which rows are the same, which column places them in time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.tables.layout.formats import Kind
from lakehouse_sdk.tables.layout.schemas import DECLARED, LAYOUTS, ROW_TIME, TableLayout
from lakehouse_sdk.tables.layout.schemas.layout import (
    DAY,
    DOUBLE,
    INSTANT,
    LINEAGE,
    LINEAGE_NAMES,
    LONG,
    MONTH,
    TEXT,
    TRUTH,
    ColumnDoc,
    make_partition,
    make_schema,
)

ColumnType = Literal["int", "float", "text", "bool", "time", "date"]

UNITS = ("s", "ms", "us", "ns", "ms_of_day", "iso")
"""How a time may be written, beside patterns of `strptime`."""
KINDS: dict[str, Kind] = {
    "int": Kind.INTEGER,
    "float": Kind.FLOAT,
    "text": Kind.TEXT,
    "bool": Kind.BOOLEAN,
    "time": Kind.TEXT_INSTANT,
    "date": Kind.DATE,
}
"""How a field of a declared type is read; a time that is a number is `Kind.INSTANT`."""
_STORED = {"int": LONG, "float": DOUBLE, "text": TEXT, "bool": TRUTH, "time": INSTANT, "date": INSTANT}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_TAKEN = ("bronze", "gold")


def spell_header(header: str) -> str:
    """A header as a column would be called: `Open Time` and `openTime` are `open_time`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", header.strip())
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


@dataclass(frozen=True)
class TableSchema:
    """The declaration of a table that takes files of one's own.

    Attributes:
        columns: Name → type, in the order of the table: `int`, `float`, `text`, `bool`, `time` (ISO text in UTC, or a number of
            seconds, milliseconds or microseconds since 1970, told apart by magnitude), `date` (a day: its midnight, UTC).
        time: Column that places a row in time; a `time` or a `date`.
        key: Columns that identify a row within a file: exact repetitions are dropped, rows that contradict each other are
            rejected, all of them.
        optional: Columns that may be empty, or missing in a file; `int`, `float` and `text` only.
        every: What one partition holds: a `month`, or a `day` for more than about a million rows a day.
        doc: What a row is; stored in the table.
        docs: What columns mean, by name; stored in the table.
        rename: Header as the files write it, or a pattern with `*` → column, where that is not its name. Letter case, spaces
            and camel case do not count: `Open Time`, `openTime` and `open_time` are one.
        ignore: Headers, or patterns, of columns that are not taken; `""` is the unnamed one that a data frame's index makes.
        units: How times are written, by column, where text in ISO or the magnitude of a number do not say it: `s`, `ms`, `us`,
            `ns` since 1970, `ms_of_day` since midnight of the day that is in the file's name, `iso` (also a day alone), or a
            pattern of `strptime`. Times without a zone are UTC.
        header: False for CSV without column names: its columns are those declared, in their order.
        skip: Lines before the header, or the first row, that say something else.

    Raises:
        UsageError: It contradicts itself; the message names the column.
    """

    columns: Mapping[str, ColumnType]
    time: str
    key: tuple[str, ...]
    optional: tuple[str, ...] = ()
    every: Literal["month", "day"] = "month"
    doc: str = ""
    docs: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    header: bool = True
    skip: int = 0

    def __post_init__(self) -> None:
        for name in ("key", "optional", "ignore"):  # lists, as JSON and TOML have them, are as good
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_columns()
        self._check_roles()

    def _check_columns(self) -> None:
        for column, type_ in self.columns.items():
            if not _NAME.fullmatch(column):
                raise UsageError(f"The column name {column!r} is not usable.", hint="Use small letters, digits and _.")
            if type_ not in get_args(ColumnType):
                types = ", ".join(get_args(ColumnType))
                raise UsageError(f"Column {column} cannot be of type {type_!r}.", hint=f"Types: {types}.")
        named = {
            "key": self.key,
            "time": (self.time,),
            "optional": self.optional,
            "docs": tuple(self.docs),
            "rename": tuple(self.rename.values()),
            "units": tuple(self.units),
        }
        for what, names in named.items():
            if unknown := [name for name in names if name not in self.columns]:
                raise UsageError(f"{what} names {', '.join(unknown)}, which is not among the columns.")

    def _check_roles(self) -> None:
        if not self.key:
            raise UsageError("A table needs a key.", hint="Name the columns that identify a row, for example the time.")
        if self.columns[self.time] not in {"time", "date"}:
            said = f"{self.time} places rows in time and is {self.columns[self.time]}."
            raise UsageError(said, hint="Declare it `time` or `date`.")
        if loose := [name for name in self.optional if self.columns[name] not in {"int", "float", "text"} or name in self.key]:
            raise UsageError(
                f"{', '.join(loose)} cannot be optional.", hint="Only numbers and texts outside the key can be empty."
            )
        if wrong := [f"{name}={unit!r}" for name, unit in self.units.items() if unit not in UNITS and "%" not in unit]:
            raise UsageError(
                f"units has {', '.join(wrong)}.", hint=f"Choose one of {', '.join(UNITS)}, or a pattern like %d.%m.%Y."
            )
        if no_times := [name for name in self.units if self.columns[name] not in {"time", "date"}]:
            raise UsageError(f"units names {', '.join(no_times)}, which is no time.")
        if self.skip < 0:
            raise UsageError(f"skip={self.skip} is negative.")
        if self.every not in {"month", "day"}:
            raise UsageError(f"every={self.every!r} is neither month nor day.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableSchema:
        """The declaration of plain values, for example of a TOML or JSON file; a type that ends with `?` is optional.

        Raises:
            UsageError: As the class, or a name is unknown or missing.
        """
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UsageError(f"A schema has no {', '.join(unknown)}.", hint=f"It has: {', '.join(sorted(known))}.")
        if missing := [name for name in ("columns", "time", "key") if name not in values]:
            raise UsageError(f"The schema lacks {', '.join(missing)}.", hint="columns, time and key are needed.")
        columns = {name: str(type_) for name, type_ in values["columns"].items()}
        marked = [name for name, type_ in columns.items() if type_.endswith("?")]
        plain = {name: type_.removesuffix("?") for name, type_ in columns.items()}
        optional = tuple(dict.fromkeys((*values.get("optional", ()), *marked)))
        return cls(**{**values, "columns": plain, "optional": optional})

    def to_json(self) -> str:
        """One line of JSON, as it is kept in the table's properties."""
        return json.dumps(asdict(self), sort_keys=False)

    @classmethod
    def from_json(cls, text: str) -> TableSchema:
        """The declaration that `to_json` wrote."""
        return cls.from_dict(json.loads(text))

    def extend(self, name: str, wanted: TableSchema) -> TableSchema:
        """This declaration of an existing table with the further optional columns of `wanted`.

        Raises:
            UsageError: `wanted` differs in anything else; the message names all differences.
        """
        found = [
            f"{what} is {old!r} and not {new!r}"
            for what, old, new in (
                ("time", self.time, wanted.time),
                ("key", list(self.key), list(wanted.key)),
                ("every", self.every, wanted.every),
            )
            if old != new
        ]
        for column, type_ in self.columns.items():
            if column not in wanted.columns:
                found.append(f"{column} is missing")
            elif (wanted.columns[column], column in wanted.optional) != (type_, column in self.optional):
                found.append(f"{column} is {type_}{'?' * (column in self.optional)}")
        added = {column: type_ for column, type_ in wanted.columns.items() if column not in self.columns}
        found += [f"{column} is new and not optional" for column in added if column not in wanted.optional]
        if found:
            raise UsageError(
                f"{name} is declared otherwise: {'; '.join(found)}.",
                hint="Further columns are welcome where they are optional; for anything else choose another table.",
            )
        reading = {name: getattr(wanted, name) for name in ("rename", "ignore", "units", "header", "skip")}
        if not added:
            changed = replace(self, **reading)
            return self if changed == self else changed
        return TableSchema(
            {**self.columns, **added},
            self.time,
            self.key,
            (*self.optional, *added),
            self.every,
            self.doc,
            {**self.docs, **{column: wanted.docs[column] for column in added if column in wanted.docs}},
            **reading,
        )

    def find_column(self, header: str) -> str | None:
        """The column that a header of a file means; None where it is to be ignored.

        Raises:
            KeyError: No column is meant.
        """
        spelled = spell_header(header)
        for pattern, column in self.rename.items():
            if fnmatchcase(header.strip().lower(), pattern.strip().lower()) or spell_header(pattern) == spelled:
                return column
        if spelled in self.columns:
            return spelled
        if any(fnmatchcase(header.strip().lower(), pattern.lower()) for pattern in self.ignore):
            return None
        raise KeyError(header)

    def to_layout(self, name: str) -> TableLayout:
        """The table as it is created.

        Raises:
            UsageError: The name is not `namespace.table`, or is the SDK's own.
        """
        namespace = name.partition(".")[0]
        if not _TABLE.fullmatch(name) or namespace in _TAKEN or name in LAYOUTS:
            raise UsageError(
                f"{name!r} cannot take files of your own.",
                hint="Name it like silver.my_signals; the SDK's own tables are taken.",
            )
        columns: list[ColumnDoc] = [
            (column, _STORED[type_], f"{'optional: ' * (column in self.optional)}{self.docs.get(column, '')}")
            for column, type_ in self.columns.items()
        ]
        schema = make_schema(*columns, *LINEAGE)
        partition = make_partition(schema, (self.time, MONTH if self.every == "month" else DAY, f"{self.time}_{self.every}"))
        order = tuple(dict.fromkeys((self.time, *self.key)))
        further = ((DECLARED, self.to_json()), (ROW_TIME, self.time))
        return TableLayout(name, self.doc, schema, partition, order, self.time, LINEAGE_NAMES, further)
