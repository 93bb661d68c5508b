"""What the Coinbase connector makes of the API's pages becomes rows of the tables, each of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from lakehouse_sdk.archives import ArchiveObject, ArchiveQuery
from lakehouse_sdk.archives.coinbase import CoinbaseConnector
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.tables import SourceFile, TableCatalog, parse_archive, validate
from lakehouse_sdk.testing import CoinbaseServer


def test_every_archive_of_a_day_is_accepted_in_full(catalog: TableCatalog) -> None:
    day = datetime(2024, 2, 2, tzinfo=UTC)
    query = ArchiveQuery(("spot",), ("candles", "trades"), symbols=("BTC-USD",), start=day, end=day + timedelta(days=1))
    batches, rows = [], 0
    with CoinbaseServer() as server:
        settings = load_settings(archives={"coinbase": {"api_url": server.url, "requests_per_s": 1000}})
        connector = CoinbaseConnector(settings, clock=lambda: server.now)
        for archive in connector.discover(query):
            assert isinstance(archive, ArchiveObject)
            with connector.open(archive) as stream:
                data = stream.read()
                rows += stream.rows  # type: ignore[attr-defined]
            file = SourceFile(
                archive.source,
                archive.market,
                archive.data_type,
                archive.symbol,
                archive.interval,
                archive.period_start,
                archive.period_end,
                archive.key,
                hashlib.sha256(data).hexdigest(),
            )
            batches.append(validate(parse_archive(data, file)))
    assert len(batches) == 7
    for batch in batches:
        assert (batch.defect, batch.rejects, batch.rows_duplicate) == (None, {}, 0), batch.file.key
    report = catalog.commit(batches)
    assert report.rows_written == rows > 1000
    bars = catalog.table("silver.klines").scan("BTC-USD", interval="1m").to_arrow()
    traded = catalog.table("silver.trades").scan("BTC-USD").to_arrow()
    assert abs(pc.sum(bars["volume"]).as_py() - pc.sum(traded["quantity"]).as_py()) < 1e-6
    assert bars["count"].null_count == bars.num_rows
    assert set(pc.unique(pc.subtract(bars["close_time"], bars["open_time"])).to_pylist()) == {timedelta(milliseconds=59_999)}
