"""The readers and writers that people use, over `lakehouse://` and with their own S3 and our options, on a real MinIO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import obstore
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import s3fs
from obstore.store import S3Store

from lakehouse_sdk.config import Settings, storage_options
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

COLUMNS = {"symbol": ["BTCUSDT", "BTCUSDT", "ETHUSDT"], "price": [1.5, 2.5, 3.5]}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(COLUMNS)


@pytest.fixture
def stored(s3: S3Client, bucket: str, frame: pd.DataFrame) -> str:
    """`bucket/key` of a Parquet file that was written without any of the clients under test."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(COLUMNS), sink)
    s3.put_bytes(bucket, "stored/prices.parquet", sink.getvalue().to_pybytes())
    return f"{bucket}/stored/prices.parquet"


class TestPandas:
    def test_with_nothing_but_settings(self, environment: MinioServer, bucket: str, frame: pd.DataFrame) -> None:
        for address in (f"lakehouse://{bucket}/a/prices.parquet", f"lakehouse://{bucket}/a key/prices.parquet"):
            frame.to_parquet(address, index=False)
            pd.testing.assert_frame_equal(pd.read_parquet(address), frame, check_dtype=False)
        frame.to_csv(f"lakehouse://{bucket}/prices.csv.gz", index=False)
        pd.testing.assert_frame_equal(pd.read_csv(f"lakehouse://{bucket}/prices.csv.gz"), frame)

    def test_with_settings_of_its_own(self, server_settings: Settings, stored: str, frame: pd.DataFrame) -> None:
        options = storage_options(server_settings, "fsspec")
        pd.testing.assert_frame_equal(
            pd.read_parquet(f"lakehouse://{stored}", storage_options=options), frame, check_dtype=False
        )

    def test_by_its_own_s3(self, server_settings: Settings, stored: str, bucket: str, frame: pd.DataFrame) -> None:
        options = storage_options(server_settings, "pandas")
        pd.testing.assert_frame_equal(pd.read_parquet(f"s3://{stored}", storage_options=options), frame, check_dtype=False)
        frame.to_parquet(f"s3://{bucket}/written.parquet", storage_options=options)

    def test_columns_and_filters(self, environment: MinioServer, stored: str) -> None:
        found = pd.read_parquet(f"lakehouse://{stored}", columns=["price"], filters=[("symbol", "==", "ETHUSDT")])
        assert found["price"].tolist() == [3.5]


class TestPyarrow:
    def test_a_dataset_written_and_read_through_the_filesystem(
        self, fs: LakehouseFileSystem, s3: S3Client, bucket: str
    ) -> None:
        pq.write_to_dataset(pa.table(COLUMNS), f"{bucket}/set", partition_cols=["symbol"], filesystem=fs)
        keys = {found.key.rpartition("/")[0] for found in s3.list_objects(bucket, "set/")}
        assert keys == {"set/symbol=BTCUSDT", "set/symbol=ETHUSDT"}
        dataset = ds.dataset(f"{bucket}/set", filesystem=fs, partitioning="hive")
        assert dataset.to_table(filter=ds.field("symbol") == "BTCUSDT")["price"].to_pylist() == [1.5, 2.5]
        assert pq.read_table(f"{bucket}/set", filesystem=fs).num_rows == 3

    def test_written_again_over_what_was_there(self, fs: LakehouseFileSystem, bucket: str) -> None:
        for _ in range(2):
            ds.write_dataset(
                pa.table(COLUMNS), f"{bucket}/set", format="parquet", filesystem=fs, existing_data_behavior="delete_matching"
            )
        assert ds.dataset(f"{bucket}/set", filesystem=fs).count_rows() == 3

    def test_a_table(self, fs: LakehouseFileSystem, stored: str, bucket: str) -> None:
        assert pq.read_table(stored, filesystem=fs).to_pydict() == COLUMNS
        pq.write_table(pa.table(COLUMNS), f"{bucket}/t.parquet", filesystem=fs)
        assert pq.read_metadata(f"{bucket}/t.parquet", filesystem=fs).num_rows == 3

    def test_what_is_not_there(self, fs: LakehouseFileSystem, bucket: str) -> None:
        with pytest.raises(FileNotFoundError):
            pq.read_table(f"{bucket}/gone.parquet", filesystem=fs)

    def test_by_its_own_s3(self, server_settings: Settings, stored: str) -> None:
        own = pyarrow.fs.S3FileSystem(**storage_options(server_settings, "pyarrow"))
        assert pq.read_table(stored, filesystem=own).to_pydict() == COLUMNS


class TestPolars:
    """It resolves no fsspec protocol from a string: its own S3, or an opened file."""

    def test_by_its_own_s3(self, server_settings: Settings, stored: str, bucket: str) -> None:
        options = storage_options(server_settings, "polars")
        lazy = pl.scan_parquet(f"s3://{stored}", storage_options=options)
        assert lazy.filter(pl.col("symbol") == "BTCUSDT").select(pl.col("price").sum()).collect().item() == 4.0
        pl.DataFrame(COLUMNS).write_parquet(f"s3://{bucket}/written.parquet", storage_options=options)
        assert pl.read_parquet(f"s3://{bucket}/written.parquet", storage_options=options).to_dict(as_series=False) == COLUMNS

    @pytest.mark.parametrize(
        "stray",
        [
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            {"AWS_SESSION_TOKEN": "of-somebody-else"},
            {"AWS_SKIP_SIGNATURE": "true"},
            {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else"},
            {"AWS_PROFILE": "nobody", "AWS_REGION": "mars-1"},
        ],
        ids="+".join,
    )
    def test_a_strangers_environment_changes_nothing(
        self, server_settings: Settings, stored: str, stray: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It reads the environment each time that it makes a store: found by a read that went to another server."""
        for name, value in stray.items():
            monkeypatch.setenv(name, value)
        # An address that this process has not asked for yet: polars keeps stores.
        options = {**storage_options(server_settings, "polars"), "aws_client_timeout": f"{len(str(stray)) + 20} seconds"}
        assert pl.read_parquet(f"s3://{stored}", storage_options=options).height == 3

    def test_an_opened_file(self, fs: LakehouseFileSystem, stored: str) -> None:
        with fs.open(stored) as file:
            assert pl.read_parquet(file).to_dict(as_series=False) == COLUMNS


class TestDuckdb:
    """Its own S3 needs an extension from the network (`test_profiles` pins the fields); a registered filesystem needs none."""

    @pytest.fixture
    def connection(self, fs: LakehouseFileSystem) -> Iterator[Any]:
        with duckdb.connect() as connection:
            connection.register_filesystem(fs)
            yield connection

    def test_reads_and_writes_lakehouse_addresses(self, connection: Any, stored: str, bucket: str) -> None:
        assert connection.sql(f"select sum(price) from 'lakehouse://{stored}'").fetchall() == [(7.5,)]
        connection.execute(f"copy (select 1 as one) to 'lakehouse://{bucket}/one.parquet'")
        assert connection.sql(f"select * from read_parquet('lakehouse://{bucket}/*.parquet')").fetchall() == [(1,)]


class TestOthers:
    def test_s3fs(self, server_settings: Settings, stored: str) -> None:
        assert s3fs.S3FileSystem(**storage_options(server_settings, "s3fs")).exists(stored)

    def test_obstore(self, server_settings: Settings, stored: str, s3: S3Client) -> None:
        bucket, _, key = stored.partition("/")
        store = S3Store(bucket, config=storage_options(server_settings, "obstore"))
        assert obstore.get(store, key).bytes().to_bytes() == s3.get_bytes(bucket, key)

    @pytest.mark.parametrize("implementation", ["pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO"])
    def test_pyiceberg(self, server_settings: Settings, stored: str, s3: S3Client, implementation: str) -> None:
        from pyiceberg.io import load_file_io

        io = load_file_io({"py-io-impl": implementation, **storage_options(server_settings, "pyiceberg")}, f"s3://{stored}")
        bucket, _, key = stored.partition("/")
        with io.new_input(f"s3://{stored}").open() as stream:
            assert stream.read() == s3.get_bytes(bucket, key)
        io.new_output(f"s3://{bucket}/written").create().close()
        assert s3.find_info(bucket, "written") is not None
