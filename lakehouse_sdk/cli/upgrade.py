"""`lakehouse upgrade`: a lake of an older release becomes one of this release."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse_sdk.cli.output import print_json
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.lakehouse import connect


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(upgrade)


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Bring a lake that an older release made to the format of this one; nothing is collected or read anew.

    Safe to repeat: a run that was killed is finished by the next one. A lake of a later release is refused.

    Examples:
      1. What would change:
         lakehouse upgrade --dry-run
      2. Do it:
         lakehouse upgrade
    """
    report = connect(observer=progress(quiet=as_json)).upgrade(dry_run=dry_run)
    if as_json:
        print_json({"type": "upgrade", **report.to_dict()})
    else:
        print(report.summary)
