"""Shipped test kit: a mirror of the exchange's public bucket, filled with generated market data and known defects.

Belongs here: generated data, its publisher, the truth about what was published; all of it independent of the code that it is
there to test. Must not: real market data. Read `MirrorSpec` first, then `publish_mirror` and `MirrorTruth`.

```python
truth = publish_mirror(server.profile, "data.binance.vision", demo_mirror())
truth.select_auto().totals.rows_in
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lakehouse_sdk.testing.spec import Defect, DefectKind, MirrorSpec, day_range, demo_mirror, month_range
from lakehouse_sdk.testing.truth import ArchiveTruth, MirrorTruth, OddityTruth, TruthTotals

if TYPE_CHECKING:
    from lakehouse_sdk.testing.mirror import publish_mirror as publish_mirror

__all__ = [
    "ArchiveTruth",
    "Defect",
    "DefectKind",
    "MirrorSpec",
    "MirrorTruth",
    "OddityTruth",
    "TruthTotals",
    "day_range",
    "demo_mirror",
    "month_range",
    "publish_mirror",
]


def __getattr__(name: str) -> object:
    if name != "publish_mirror":  # the only name that needs numpy and Arrow
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("lakehouse_sdk.testing.mirror").publish_mirror
