"""How events look to a person: live in a notebook, as bars on a terminal, as lines in a log; only listens.

Belongs here: observers that show. Must not: starting, steering or changing the work that they watch. Read `progress`
first, then `board`, which all of them draw.
"""

from lakehouse_sdk.notebook.observer import progress

__all__ = ["progress"]
