"""Everything that changes tables, through the REST catalogue that the Iceberg project itself tests with."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from pyiceberg.catalog.rest import RestCatalog
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.tables import CheckedBatch, open_catalog

pytestmark = [
    pytest.mark.deep,
    pytest.mark.timeout(900),
    pytest.mark.needs_debian("default-jdk-headless", program="javac"),
    pytest.mark.needs_debian("maven", program="mvn"),
]
PROJECT = Path(__file__).parents[2] / "support/iceberg_rest"
LIST_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
NOW = timedelta()


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server, compiled, and what it needs; the jars outlive the run in a folder of their own."""
    folder = tmp_path_factory.mktemp("iceberg-rest")
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    jars = user_cache_path("lakehouse-sdk") / "iceberg-rest"
    build = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={jars}", "-Dmdep.outputFile=jars.txt", "compile", LIST_JARS]
    done = subprocess.run(build, cwd=folder, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    return f"{folder / 'target/classes'}:{(folder / 'jars.txt').read_text()}"


@pytest.fixture
def rest(class_path: str, settings: Settings, bucket: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a lake whose catalogue is this server's."""
    access_key, secret_key = settings.storage.credentials()
    properties = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:{tmp_path}/rest.db",
        "jdbc.schema-version": "V1",
        "warehouse": f"s3://{bucket}/elsewhere",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": settings.storage.resolved_endpoint_url,
        "s3.path-style-access": "true",
        "s3.access-key-id": access_key,
        "s3.secret-access-key": secret_key,
        "client.region": settings.storage.region,
    }
    file = tmp_path / "rest.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    command = ["java", "-Xmx512m", "-cp", class_path, "org.apache.iceberg.rest.Main", str(file)]
    with (
        (tmp_path / "rest.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            assert port, (tmp_path / "rest.log").read_text()[-4000:]
            yield load_settings(storage=settings.storage, lake=settings.lake, catalog={"uri": f"http://127.0.0.1:{port}"})
        finally:
            server.kill()


def _batch(symbol: str = "BTCUSDT", day: int = 0, rows: int = 5) -> CheckedBatch:
    start = DAY + timedelta(days=day)
    return check_klines([kline(i, start) for i in range(rows)], symbol=symbol, day=start)


def _rows(rest: Settings) -> Counter[str]:
    """Rows by symbol, as pyiceberg alone reads them."""
    catalog = RestCatalog("eyes", uri=rest.catalog.uri or "", **rest.storage.to_pyiceberg())
    rows = catalog.load_table("silver.klines").scan(selected_fields=("symbol",)).to_arrow()
    return Counter(rows["symbol"].to_pylist())


def test_commits_races_tags_branches_and_care(rest: Settings) -> None:
    lake = Lakehouse(rest)
    for day in range(3):
        lake.catalog.commit([_batch(day=day)])
    assert lake.catalog.commit([_batch(day=1)]).rows_written == 0
    replaced = lake.catalog.commit([_batch(day=1, rows=7)])
    assert max(table.archives_replaced for table in replaced.tables) == 1

    def write(number: int) -> None:
        with open_catalog(rest) as own:
            own.commit([_batch(f"S{number}USDT"), _batch("BOTHUSDT")])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    expected = Counter({"BTCUSDT": 17, "BOTHUSDT": 5, "S0USDT": 5, "S1USDT": 5, "S2USDT": 5})
    assert _rows(rest) == expected

    lake.table("silver.klines").tag("study")
    (compacted,) = lake.compact(["silver.klines"], target_bytes=1024**2).tables
    assert (compacted.files_after, compacted.rows) == (1, 37)
    assert lake.table("silver.klines").snapshots()[-1].operation == "replace"
    (expired,) = lake.expire(["silver.klines"], older_than=NOW).tables
    assert (expired.kept_snapshots, expired.failed_files) == (2, 0)
    lake.remove_orphans(["silver.klines"], older_than=NOW, force=True)
    assert _rows(rest) == expected
    assert lake.table("silver.klines").scan(as_of="study").to_arrow().num_rows == 37

    lake.catalog.commit([_batch("NEWUSDT")], "batch-1")
    assert _rows(rest) == expected
    assert lake.catalog.forward_branch("batch-1") == []
    lake.catalog.drop_branch("batch-1")
    assert _rows(rest) == expected + Counter({"NEWUSDT": 5})


def test_a_table_that_the_server_lost_is_registered_again(rest: Settings) -> None:
    with open_catalog(rest) as catalog:
        catalog.commit([_batch()])
        catalog.commit([_batch(day=1)])
        eyes = RestCatalog("eyes", uri=rest.catalog.uri or "", **rest.storage.to_pyiceberg())
        eyes.drop_table("silver.klines")
        assert "1 tables registered, 3 were known" in catalog.recover().summary
    assert _rows(rest) == {"BTCUSDT": 10}
