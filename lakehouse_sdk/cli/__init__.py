"""The `lakehouse` command: thin over the API, one file per command group, `--json` everywhere.

Belongs here: parsing arguments, printing, exit codes. Must not: work that Python users would miss.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the `lakehouse` command."""
