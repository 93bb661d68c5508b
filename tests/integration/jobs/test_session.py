"""One call opens each part once: ledger, catalogue, requests to the lake, the connector of the source."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from lakehouse_sdk.archives import registry
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.jobs import session as session_module
from lakehouse_sdk.jobs.session import Session, open_session
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.tables import catalog as catalog_module
from lakehouse_sdk.testing import MirrorSpec, day_range, publish_mirror


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part was opened."""
    counts: Counter[str] = Counter()

    def count(module: object, name: str, part: str) -> None:
        original = getattr(module, name)

        def counting(*arguments: object, **options: object) -> object:
            counts[part] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(session_module, "S3Client", "client")
    count(session_module, "get_connector", "connector")
    monkeypatch.setattr("lakehouse_sdk.archives.get_connector", registry.get_connector)
    count(catalog_module, "connect_catalog", "catalogue")
    from lakehouse_sdk.archives import sql_ledger

    count(sql_ledger, "_connect", "ledger")
    return counts


def test_a_load_that_fetches_opens_each_part_once(
    settings: Settings, other_minio: MinioServer, bucket: str, opened: Counter[str]
) -> None:
    days = day_range(date(2024, 1, 1), date(2024, 1, 2))
    publish_mirror(other_minio.profile, bucket, MirrorSpec(interval="1h", days=days, trades_per_day=4))
    own = settings.model_dump()
    mirror = {"binance": {"endpoint_url": other_minio.endpoint_url, "bucket": bucket, "region": "us-east-1"}}
    lake = Lakehouse(load_settings(storage=settings.storage, lake=own["lake"], catalog=own["catalog"], archives=mirror))
    rows = lake.load(
        *("klines",), interval="1h", market="spot", symbols=["BTCUSDT"], start="2024-01-01", end="2024-01-03", missing="fetch"
    ).to_pandas()
    assert len(rows) == 48
    assert opened == {"ledger": 1, "catalogue": 1, "client": 1, "connector": 1}


def test_a_session_that_is_handed_down_stays_open(settings: Settings) -> None:
    with open_session(settings) as session:
        with open_session(session) as same:
            assert same is session
            assert isinstance(same, Session)
        assert session.client.list_buckets() is not None
        assert "secret" not in repr(session).lower() or "**********" in repr(session)
