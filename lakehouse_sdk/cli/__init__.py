"""The `lakehouse` command: thin over the API, one file per command group, `--json` everywhere.

Belongs here: parsing arguments, printing, exit codes. Must not: work that Python users would miss. Read `app` first.

Exit codes: 0 done, 1 it failed (objects, checks, servers), 2 the call or a setting is wrong, 130 interrupted,
143 ended by SIGTERM, 141 nobody reads the output any more.
"""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """As `app.main`; Ctrl-C while the modules load is no traceback either."""
    try:
        from lakehouse_sdk.cli.app import main as run  # noqa: PLC0415 (loading takes a second, and may be interrupted)
    except KeyboardInterrupt:
        sys.exit(130)
    run()
