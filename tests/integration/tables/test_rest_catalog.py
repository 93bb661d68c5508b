"""The same tables through an Iceberg REST catalogue, over HTTP with a token; counted by pyiceberg on the server's side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from rest_catalog import RestServer
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import AccessError, ConfigurationError, ConnectError
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.tables import CheckedBatch, open_catalog


def _batch(symbol: str = "BTCUSDT", day: int = 0, rows: int = 5) -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start) for i in range(rows)], symbol=symbol, day=start)


@pytest.fixture
def behind(settings: Settings, tmp_path: Path, bucket: str) -> Iterator[SqlCatalog]:
    """What the server keeps its tables in."""
    properties = {**settings.storage.to_pyiceberg(), "warehouse": f"s3://{bucket}/elsewhere"}
    catalog = SqlCatalog("rest", uri=f"sqlite:///{tmp_path}/rest.db", **properties)
    yield catalog
    catalog.close()


@pytest.fixture
def server(behind: SqlCatalog) -> Iterator[RestServer]:
    with RestServer(behind, "open-sesame") as server:
        yield server


@pytest.fixture
def rest(settings: Settings, server: RestServer, tmp_path: Path) -> Settings:
    """Settings of a lake whose catalogue is the server's."""
    return load_settings(
        storage=settings.storage,
        lake=settings.lake,
        catalog={"uri": server.uri, "token": "open-sesame"},
        ledger={"uri": f"sqlite:///{tmp_path}/ledger.db"},
    )


def _rows(behind: SqlCatalog) -> Counter[str]:
    rows = behind.load_table("silver.klines").scan(selected_fields=("symbol",)).to_arrow()
    return Counter(rows["symbol"].to_pylist())


def test_tables_are_committed_read_and_cared_for(rest: Settings, server: RestServer, behind: SqlCatalog) -> None:
    lake = Lakehouse(rest)
    for day in range(3):
        lake.catalog.commit([_batch(day=day)])
    assert lake.catalog.commit([_batch(day=1)]).rows_written == 0
    lake.catalog.commit([_batch(day=1, rows=7)])
    assert _rows(behind) == {"BTCUSDT": 17}
    assert lake.catalog.list_tables() == sorted(".".join(name) for name in behind.list_tables("silver"))
    table = lake.table("silver.klines")
    assert table.scan().count() == 17
    table.tag("study")
    assert lake.compact(["silver.klines"], target_bytes=1024**2).tables[0].files_after == 1
    assert lake.expire(["silver.klines"], older_than=timedelta()).tables[0].kept_snapshots == 2
    assert lake.remove_orphans(["silver.klines"], older_than=timedelta(), force=True).tables[0].failed_files == 0
    assert lake.table("silver.klines").scan(as_of="study").to_arrow().num_rows == 17
    assert _rows(behind) == {"BTCUSDT": 17}
    assert sum(line.startswith("POST /v1/namespaces/silver/tables/klines") for line in server.requests) >= 6
    lake.catalog.close()


def test_writers_at_once_lose_and_double_nothing(rest: Settings, behind: SqlCatalog) -> None:
    def write(number: int) -> int:
        with open_catalog(rest) as catalog:
            report = catalog.commit([_batch(f"S{number}USDT"), _batch("BOTHUSDT")])
            return max(table.attempts for table in report.tables)

    with open_catalog(rest) as catalog:
        catalog.commit([_batch()])
    with ThreadPoolExecutor(3) as pool:
        attempts = list(pool.map(write, range(3)))
    assert max(attempts) > 1, "no two of them ever met"
    assert _rows(behind) == {"BTCUSDT": 5, "BOTHUSDT": 5, **{f"S{number}USDT": 5 for number in range(3)}}


def test_a_lost_catalogue_is_recovered_into_a_rest_server(rest: Settings, behind: SqlCatalog) -> None:
    with open_catalog(rest) as catalog:
        catalog.commit([_batch()])
        behind.drop_table("silver.klines")
        assert "silver.klines" not in catalog.list_tables()
        assert "1 tables registered" in catalog.recover().summary
    assert _rows(behind) == {"BTCUSDT": 5}


def test_a_wrong_token_is_refused_and_shown_nowhere(rest: Settings) -> None:
    wrong = load_settings(storage=rest.storage, lake=rest.lake, catalog={"uri": rest.catalog.uri, "token": "s3cret-token"})
    with pytest.raises(AccessError, match="the token is wrong") as error:
        open_catalog(wrong)
    assert "s3cret-token" not in f"{error.value!r} {wrong!r} {wrong.model_dump_json()}"
    with open_catalog(rest) as catalog:
        assert "open-sesame" not in repr(catalog)


def test_a_server_that_is_gone_or_something_else_is_named(rest: Settings) -> None:
    def settings_at(uri: str, **more: str) -> Settings:
        return load_settings(storage=rest.storage, lake=rest.lake, catalog={"uri": uri, **more})

    with pytest.raises(ConnectError, match="No answer from the catalogue at http://127"):
        open_catalog(settings_at("http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match="both set"):
        open_catalog(settings_at(rest.catalog.uri or "", token="a", credential="b:c"))

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *args: object) -> None:
            pass

    page = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=page.serve_forever)
    thread.start()
    try:
        with pytest.raises(ConfigurationError, match="no Iceberg REST catalogue"):
            open_catalog(settings_at(f"http://127.0.0.1:{page.server_port}"))
    finally:
        page.shutdown()
        thread.join()
        page.server_close()


def test_the_ledger_needs_a_database_of_its_own(rest: Settings) -> None:
    with open_ledger(rest) as ledger:
        assert ledger.count("binance") == 0
    without = rest.model_copy(update={"ledger": rest.ledger.model_copy(update={"uri": None})})
    with pytest.raises(ConfigurationError, match="needs an SQL database") as error:
        open_ledger(without)
    assert "ledger.uri" in (error.value.hint or "")
