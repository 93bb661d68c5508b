"""The page on Spark is true: the real pyspark and Iceberg's runtime read the tables that the SDK built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from table_archives import check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import open_catalog

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900), pytest.mark.needs_debian("default-jdk-headless", program="java")]

ROOT = Path(__file__).resolve().parents[2]
PYSPARK = "pyspark==3.5.7"
CHECKS = """
rows = spark.sql("SELECT symbol, count(*), sum(close), min(open_time) FROM lakehouse.silver.klines GROUP BY 1 ORDER BY 1")
for symbol, count, total, first in rows.collect():
    print("row", symbol, count, total, first.isoformat())
print("tagged", spark.sql("SELECT * FROM lakehouse.silver.klines VERSION AS OF 'study-1'").count())
print("page", daily.collect()[0].asDict())
print("command line", any(secret in open("/proc/%s/cmdline" % pid).read() for pid in [spark._jvm.ProcessHandle.current().pid()]
      for secret in [lake.settings.storage.secret_key.get_secret_value()]))
"""


@pytest.fixture(scope="module")
def cache() -> Path:
    """A folder that outlives the run, so that 340 MB of pyspark and 120 MB of jars come once to a machine."""
    folder = user_cache_path("lakehouse-sdk") / PYSPARK.replace("==", "-")
    if not (folder / "python" / "pyspark").exists():
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder / "python"), PYSPARK]
        subprocess.run(install, check=True, timeout=600)
    return folder


def test_spark_reads_what_was_built(cache: Path, settings: Settings, tmp_path: Path) -> None:
    with open_catalog(settings) as catalog:
        catalog.commit([check_klines([kline(i) for i in range(10)], instrument="BTC/USDT")])
        catalog.table("silver.klines").tag("study-1")
        catalog.commit([check_klines([kline(i) for i in range(5)], symbol="ETHUSDT")])
    (block,) = re.findall(r"^```py\n(.*?)^```", (ROOT / "docs/how-to/read-with-spark.md").read_text(), re.MULTILINE | re.DOTALL)
    access_key, secret_key = settings.storage.credentials()
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{cache / 'python'}",
        "LAKEHOUSE_STORAGE__ENDPOINT_URL": settings.storage.resolved_endpoint_url,
        "LAKEHOUSE_STORAGE__ACCESS_KEY": access_key,
        "LAKEHOUSE_STORAGE__SECRET_KEY": secret_key,
        "LAKEHOUSE_LAKE__BUCKET": settings.lake.bucket,
        "LAKEHOUSE_CATALOG__URI": str(settings.catalog.uri),
        "SPARK_CONF_DIR": str(tmp_path),
    }
    options = {"spark.jars.ivy": cache / "ivy", "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    lines = [f"{name} {value}" for name, value in options.items()]
    (tmp_path / "spark-defaults.conf").write_text("\n".join([*lines, "spark.driver.host 127.0.0.1", "spark.master local[2]"]))
    done = subprocess.run(
        [sys.executable, "-c", block + CHECKS], env=env, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = [line for line in done.stdout.splitlines() if line.startswith(("row ", "tagged ", "page ", "command line "))]
    assert said == [
        "row BTCUSDT 10 105.0 2024-03-01T00:00:00",
        "row ETHUSDT 5 52.0 2024-03-01T00:00:00",
        "tagged 10",
        "page {'symbol': 'BTCUSDT', 'sum(volume)': 45.0, 'count(1)': 10}",
        "command line False",
    ]
