"""`lakehouse tables`: what the catalogue holds."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse_sdk.cli import care
from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.lakehouse import connect

group = typer.Typer(no_args_is_help=True, help="Iceberg tables: list, look inside, keep small and quick.")


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    care.add_commands(group)
    app.add_typer(group, name="tables")


@group.command("list")
def list_tables(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List the tables.

    Example:
      1. All tables:
         lakehouse tables list
    """
    names = connect().catalog.list_tables()
    if as_json:
        for name in names:
            print_json({"table": name})
    elif names:
        print_table(["table"], [[name] for name in names])
    else:
        print("There is no table yet; `lakehouse archives collect` builds the first ones.")


@group.command()
def head(
    name: Annotated[str, typer.Argument(help="Full name, for example silver.klines.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many rows.")] = 10,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="Only these symbols; repeat.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the first rows of a table.

    Examples:
      1. Ten rows:
         lakehouse tables head silver.klines
      2. Of one symbol:
         lakehouse tables head silver.klines --symbol BTCUSDT -n 3
    """
    found = connect().table(name).scan(symbols=symbol or None).head(rows).to_pylist()
    if as_json:
        for row in found:
            print_json(row)
        return
    columns = list(found[0]) if found else []
    print_table(columns, [[str(row[column]) for column in columns] for row in found])
