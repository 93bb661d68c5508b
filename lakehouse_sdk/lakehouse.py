"""The façade that a person holds, and the composition root.

Belongs here: handing settings, credentials and observers down to the stages. Must not: doing a stage's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse_sdk.config import Settings, load_settings


@dataclass(frozen=True)
class Lakehouse:
    """One lakehouse: its settings and what can be done with it."""

    settings: Settings


def connect(**arguments: Any) -> Lakehouse:
    """Connect to the lakehouse that the settings name."""
    return Lakehouse(load_settings(**arguments))


def local() -> Lakehouse:
    """Start a local lakehouse."""
    return connect()
