"""Stage 1, what exists: connectors that list public exchange archives.

Belongs here: what an archive is, the connectors that find them, the choice between daily and monthly ones. Must not: moving
bytes (`transfer`), reading rows (`tables`). Read `ArchiveObject` first, then `SourceConnector`.

```python
connector = get_connector("binance", settings)
found = connector.discover(ArchiveQuery(markets=("spot",), data_types=("klines",), symbols=("BTCUSDT",), intervals=("1m",)))
archives = select_cadence(entry for entry in found if isinstance(entry, ArchiveObject))
```
"""

from lakehouse_sdk.archives.cadence import Cadence, select_cadence
from lakehouse_sdk.archives.checksum import ChecksumOutcome, fetch_checksums, parse_checksum
from lakehouse_sdk.archives.model import (
    ArchiveObject,
    ArchiveQuery,
    Capabilities,
    CheckResult,
    Checksum,
    Container,
    Dataset,
    Frequency,
    Oddity,
    Series,
)
from lakehouse_sdk.archives.protocol import MaterialisedStream, SourceConnector
from lakehouse_sdk.archives.registry import ConnectorWarning, get_connector, list_connector_names, load_connectors

__all__ = [
    "ArchiveObject",
    "ArchiveQuery",
    "Cadence",
    "Capabilities",
    "CheckResult",
    "Checksum",
    "ChecksumOutcome",
    "ConnectorWarning",
    "Container",
    "Dataset",
    "Frequency",
    "MaterialisedStream",
    "Oddity",
    "Series",
    "SourceConnector",
    "fetch_checksums",
    "get_connector",
    "list_connector_names",
    "load_connectors",
    "parse_checksum",
    "select_cadence",
]
