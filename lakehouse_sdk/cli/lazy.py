"""Commands that load when they are called: `lakehouse --help` reads a table, not polars, SQLAlchemy and pydantic."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(NamedTuple):
    """Where a command lives, and what the list of commands says of it.

    Attributes:
        modules: Modules of this package whose `register` adds it, in order.
        help: The first sentence of its own help; a test compares them.
    """

    modules: tuple[str, ...]
    help: str


COMMANDS: dict[str, LazyCommand] = {
    "demo": LazyCommand(
        ("demo",), "Run the whole of it once, on this machine: archives → S3 server → Iceberg tables → a report that proves it."
    ),
    "up": LazyCommand(
        ("servers",),
        "Start local servers that stay: an S3 server and, if asked for, Prefect; run it again and it says where they are.",
    ),
    "down": LazyCommand(("servers",), "End the servers that `lakehouse up` started, and nothing else; the data stays."),
    "status": LazyCommand(
        ("servers",), "Say what runs, where, and how much it holds; exit code 1 where nothing runs or a server is dead."
    ),
    "plan": LazyCommand(
        ("transfer",),
        "Show what `lakehouse sync` would do, object by object and why, and what it would cost; nothing is changed.",
    ),
    "sync": LazyCommand(
        ("transfer",),
        "Copy what is missing or differs below SOURCE into TARGET; nothing is deleted unless --delete says so.",
    ),
    "cp": LazyCommand(
        ("transfer",), "Copy objects and files between any two places, verified; what is at the target is replaced."
    ),
    "verify": LazyCommand(
        ("transfer",),
        "Say whether TARGET holds what SOURCE holds, and what is missing, differs or is there besides; nothing is changed.",
    ),
    "ls": LazyCommand(("objects",), "List buckets, or what lies below an address: sub-prefixes (with a slash) and objects."),
    "du": LazyCommand(("objects",), "Count objects and bytes below each address, in total and by sub-prefix."),
    "rm": LazyCommand(
        ("objects",), "Delete one object, or everything below a prefix, in S3; asks first, saying how much it is."
    ),
    "archives": LazyCommand(("archives",), "Public exchange archives: discover, collect, build tables, find holes."),
    "tables": LazyCommand(
        ("tables", "gold", "quality", "ingest"),
        "Iceberg tables: list, search, look inside, query, restore, keep small and quick.",
    ),
    "validate": LazyCommand(
        ("validate",), "Prove what a lakehouse holds: run a notebook of checks against it and write a report."
    ),
    "upgrade": LazyCommand(
        ("upgrade",),
        "Bring a lake that an older release made to the format of this one; nothing is collected or read anew.",
    ),
    "servers": LazyCommand(("servers",), "The programs behind the local servers."),
    "config": LazyCommand(("config",), "Settings: what applies, and where it came from."),
}


def load_command(name: str) -> Any:
    """The real command, as typer builds it."""
    app = typer.Typer(rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(lambda: None)
    for module in COMMANDS[name].modules:
        importlib.import_module(f"lakehouse_sdk.cli.{module}").register(app)
    return typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]


class LazyGroup(TyperGroup):
    """The top group: its members are stand-ins until one of them is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: _StandIn(name=name, help=command.help) for name, command in COMMANDS.items()}


class _StandIn(TyperCommand):
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command: from here on this stand-in is out of the way."""
        return load_command(str(self.name)).make_context(info_name, args, parent=parent, **extra)
