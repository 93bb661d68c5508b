"""Crypto-market data lakehouse: exchange archives into MinIO/S3 and Apache Iceberg, from a notebook or a team's flows.

Read the packages in the order of the flow: `archives` (what exists) → `transfer` (moving bytes) → `storage` (where they rest) →
`tables` (what they mean); `jobs` joins the stages, `lakehouse` is the object that a person holds.

Names load on first use: importing this package loads neither Prefect, Iceberg, pandas nor Arrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse_sdk.config import Settings as Settings
    from lakehouse_sdk.errors import LakehouseError as LakehouseError
    from lakehouse_sdk.lakehouse import Lakehouse as Lakehouse
    from lakehouse_sdk.lakehouse import connect as connect
    from lakehouse_sdk.lakehouse import local as local
    from lakehouse_sdk.transfer import Selection as Selection
    from lakehouse_sdk.transfer import TransferPlan as TransferPlan
    from lakehouse_sdk.transfer import TransferReport as TransferReport
    from lakehouse_sdk.transfer import TransferRun as TransferRun
    from lakehouse_sdk.transfer import VerifyReport as VerifyReport

_HOMES = {
    "Lakehouse": "lakehouse_sdk.lakehouse",
    "LakehouseError": "lakehouse_sdk.errors",
    "Selection": "lakehouse_sdk.transfer",
    "Settings": "lakehouse_sdk.config",
    "TransferPlan": "lakehouse_sdk.transfer",
    "TransferReport": "lakehouse_sdk.transfer",
    "TransferRun": "lakehouse_sdk.transfer",
    "VerifyReport": "lakehouse_sdk.transfer",
    "connect": "lakehouse_sdk.lakehouse",
    "local": "lakehouse_sdk.lakehouse",
}

__all__ = [
    "Lakehouse",
    "LakehouseError",
    "Selection",
    "Settings",
    "TransferPlan",
    "TransferReport",
    "TransferRun",
    "VerifyReport",
    "connect",
    "local",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
