"""How long a validation may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds; papermill's own default is to wait for ever.

    Attributes:
        cell_s: One cell.
        total_s: The whole notebook, start of the kernel included.
        start_s: Until the kernel answers.
    """

    cell_s: float = 300.0
    total_s: float = 1200.0
    start_s: float = 60.0
