"""Shipped test kit: an exchange's bucket with known defects, another's API, a suite for connectors, servers that fail.

Belongs here: generated data, its publisher, the truth about what was published; what every connector promises, as tests; faults
that a healthy server does not show; all of it independent of the code that it is there to test. Must not: real market data.
Read `MirrorSpec` first, then `publish_mirror` and `MirrorTruth`; for every data type `publish_archives`; for a connector of
your own `ConnectorSuite`, for a server `StorageSuite`; for an API `CoinbaseServer`; for faults `FaultProxy` and `MinioCluster`.

```python
truth = publish_mirror(server.profile, "data.binance.vision", demo_mirror())
truth.select_auto().totals.rows_in
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lakehouse_sdk.extras import needs_extra
from lakehouse_sdk.testing.spec import Defect, DefectKind, MirrorSpec, day_range, demo_mirror, month_range
from lakehouse_sdk.testing.truth import ArchiveTruth, MirrorTruth, OddityTruth, TruthTotals

if TYPE_CHECKING:
    from lakehouse_sdk.testing.archives import ArchiveText as ArchiveText
    from lakehouse_sdk.testing.archives import publish_archives as publish_archives
    from lakehouse_sdk.testing.archives import sample_text as sample_text
    from lakehouse_sdk.testing.cluster import MinioCluster as MinioCluster
    from lakehouse_sdk.testing.coinbase import CoinbaseFault as CoinbaseFault
    from lakehouse_sdk.testing.coinbase import CoinbaseServer as CoinbaseServer
    from lakehouse_sdk.testing.connectors import ConnectorSuite as ConnectorSuite
    from lakehouse_sdk.testing.mirror import publish_mirror as publish_mirror
    from lakehouse_sdk.testing.proxy import Fault as Fault
    from lakehouse_sdk.testing.proxy import FaultProxy as FaultProxy
    from lakehouse_sdk.testing.storage import StorageSuite as StorageSuite

__all__ = [
    "ArchiveText",
    "ArchiveTruth",
    "CoinbaseFault",
    "CoinbaseServer",
    "ConnectorSuite",
    "Defect",
    "DefectKind",
    "Fault",
    "FaultProxy",
    "MinioCluster",
    "MirrorSpec",
    "MirrorTruth",
    "OddityTruth",
    "StorageSuite",
    "TruthTotals",
    "day_range",
    "demo_mirror",
    "month_range",
    "publish_archives",
    "publish_mirror",
    "sample_text",
]


_LATER = {
    "ArchiveText": "archives",
    "CoinbaseFault": "coinbase",
    "CoinbaseServer": "coinbase",
    "ConnectorSuite": "connectors",
    "Fault": "proxy",
    "FaultProxy": "proxy",
    "MinioCluster": "cluster",
    "StorageSuite": "storage",
    "publish_archives": "archives",
    "publish_mirror": "mirror",
    "sample_text": "archives",
}
"""What needs numpy, Arrow, pytest or the embedded servers loads when it is used."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra():
        return getattr(importlib.import_module(f"lakehouse_sdk.testing.{_LATER[name]}"), name)
