"""The `lakehouse` command: thin over the API, one file per command group, `--json` everywhere.

Belongs here: parsing arguments, printing, exit codes. Must not: work that Python users would miss. Read `app` first.

Exit codes: 0 done, 1 it failed (objects, checks, servers), 2 the call or a setting is wrong, 130 interrupted,
143 ended by SIGTERM, 141 nobody reads the output any more.
"""

from lakehouse_sdk.cli.app import main

__all__ = ["main"]
