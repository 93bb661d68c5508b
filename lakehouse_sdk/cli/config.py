"""`lakehouse config`: what applies, and where it came from."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.config import explain_settings

group = typer.Typer(no_args_is_help=True, help="Settings: what applies, and where it came from.")


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(group, name="config")


@group.callback()
def config() -> None:
    """Settings: what applies, and where it came from."""


@group.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say for each value where it was set.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print every setting; secrets are masked.

    Examples:
      1. What applies:
         lakehouse config show
      2. Where each value is from:
         lakehouse config show --origin
    """
    settings = explain_settings()
    if as_json:
        for setting in settings:
            print_json({"name": setting.name, "value": setting.value, "origin": setting.origin})
        return
    columns = ["setting", "value", *(["origin"] if origin else [])]
    rows = [[item.name, "" if item.value is None else str(item.value), *([item.origin] if origin else [])] for item in settings]
    print_table(columns, rows)
