"""What every way of showing has in common."""

from __future__ import annotations

from typing import Protocol

from lakehouse_sdk.events import Event
from lakehouse_sdk.notebook.board import Board, StageView


class Sink(Protocol):
    """Draws a board after each event; may draw less often than it is called."""

    def show(self, board: Board, view: StageView, event: Event) -> None:
        """Show `board`, of which `event` has just changed `view`."""
