"""How events look to a person: live in a notebook, as bars on a terminal, as lines in a log; only listens.

Belongs here: observers that show, and the button by which a person cancels a run. Must not: starting or changing the work
that they watch. Read `progress` first, then `board`, which all of them draw; `watch` shows a run that is under way.
"""

from lakehouse_sdk.notebook.live import watch
from lakehouse_sdk.notebook.observer import progress

__all__ = ["progress", "watch"]
