"""Progress of a command, on standard error, so that standard output stays the command's result."""

from __future__ import annotations

import sys

from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.notebook import progress as shown_progress


def progress(*, quiet: bool = False) -> Observer:
    """Bars on a terminal, lines in a log; nothing at all with `quiet`."""
    return ignore_events if quiet else shown_progress(sys.stderr)
