"""Instances: one for each settings, no credentials in what identifies it, whole after a pickle."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from operator import methodcaller

import fsspec
import pytest

from lakehouse_sdk.config import S3Profile, Settings, load_settings
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.storage import S3Client


def server(secret: str, **more: object) -> Settings:
    return load_settings(storage=S3Profile(endpoint_url="http://h:1", access_key="the-key", secret_key=secret), **more)


class TestCache:
    def test_equal_settings_share_a_filesystem(self) -> None:
        assert LakehouseFileSystem(server("a")) is LakehouseFileSystem(settings=server("a"))

    def test_another_secret_is_another_filesystem(self) -> None:
        """The settings' reprs are equal, because they mask the secret; sharing would use one user's keys for another."""
        assert repr(server("a")) == repr(server("b"))
        first, second = LakehouseFileSystem(server("a")), LakehouseFileSystem(server("b"))
        assert first is not second
        signers = [fs.connect() and fs.session._credentials.secret_key for fs in (first, second)]
        assert signers == ["a", "b"]
        assert first != second
        assert hash(first) != hash(second)

    def test_another_profile_or_option_is_another_filesystem(self) -> None:
        settings = server("a", profiles={"other": server("a").storage})
        plain = LakehouseFileSystem(settings)
        assert LakehouseFileSystem(settings, profile="other") is not plain
        assert LakehouseFileSystem(settings, use_listings_cache=True) is not plain
        assert LakehouseFileSystem(settings, skip_instance_cache=True) is not plain

    def test_settings_may_be_a_dict_as_json_can_carry_it(self) -> None:
        """fsspec's own ways in, such as `filesystem("lakehouse", **json.loads(…))`, have no other type."""
        groups = {"storage": {"endpoint_url": "http://h:1", "access_key": "the-key", "secret_key": "a-secret"}}
        from_dict = fsspec.filesystem("lakehouse", settings=groups)
        assert from_dict is LakehouseFileSystem(server("a-secret"))
        assert "a-secret" not in repr(from_dict.storage_options)

    @pytest.mark.parametrize(
        ("settings", "error", "text"),
        [
            ({"storage": {"endpoint": "http://h:1"}}, ConfigurationError, "endpoint"),
            ({"nonsense": {}}, ConfigurationError, "nonsense"),
            ("http://h:1", UsageError, "not str"),
            (S3Profile(endpoint_url="http://h:1"), UsageError, "not S3Profile"),
        ],
        ids=["unknown-key", "unknown-group", "text", "profile"],
    )
    def test_settings_of_another_kind_are_explained(self, settings: object, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            fsspec.filesystem("lakehouse", settings=settings)

    def test_threads_get_the_same_one(self) -> None:
        settings = server("threads")
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: LakehouseFileSystem(settings), range(32)))
        assert len({id(fs) for fs in found}) == 1


class TestIdentity:
    """What fsspec and dask call a filesystem by."""

    def test_the_token_is_stable_and_tells_settings_apart(self) -> None:
        token = LakehouseFileSystem(server("a")).__dask_tokenize__()
        assert token == LakehouseFileSystem(server("a")).__dask_tokenize__()
        assert token != LakehouseFileSystem(server("b")).__dask_tokenize__()

    def test_nothing_that_is_shown_holds_a_credential(self) -> None:
        fs = LakehouseFileSystem(server("hush-hush"))
        for shown in (repr(fs), str(fs), repr(fs.storage_options), repr(fs.storage_args), fs._fs_token, repr(fs.settings)):
            assert "hush-hush" not in shown
            assert "the-key" not in shown

    def test_json_is_refused_because_it_would_hold_them(self) -> None:
        fs = LakehouseFileSystem(server("hush-hush"))
        for write in (fs.to_json, fs.to_dict):
            with pytest.raises(UsageError, match="not written as JSON") as caught:
                write()
            assert "hush-hush" not in str(caught.value)


class TestPickle:
    def test_keeps_the_settings_in_this_process(self) -> None:
        fs = LakehouseFileSystem(server("a"), use_listings_cache=True)
        again = pickle.loads(pickle.dumps(fs))
        assert again is fs
        assert copy.copy(fs) is fs

    def test_keeps_the_settings_that_it_was_made_with_when_the_environment_changes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", "http://first:1")
        monkeypatch.setenv("LAKEHOUSE_STORAGE__ACCESS_KEY", "k")
        monkeypatch.setenv("LAKEHOUSE_STORAGE__SECRET_KEY", "s")
        pickled = pickle.dumps(LakehouseFileSystem())
        monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", "http://second:1")
        assert pickle.loads(pickled).endpoint_url == "http://first:1"

    def test_works_in_another_process_that_knows_nothing(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        """As dask and joblib use it: the worker has no settings of its own."""
        for number in range(4):
            s3.put_bytes(bucket, f"part-{number}", str(number).encode())
        reads = [methodcaller("cat_file", f"{bucket}/part-{number}") for number in range(4)]
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            assert [pool.submit(read, fs).result() for read in reads] == [b"0", b"1", b"2", b"3"]

    def test_an_open_file_goes_along(self, fs: LakehouseFileSystem, s3: S3Client, bucket: str) -> None:
        s3.put_bytes(bucket, "k", b"0123456789")
        with fs.open(f"{bucket}/k") as file:
            file.seek(4)
            with pickle.loads(pickle.dumps(file)) as again:
                assert again.read() in {b"456789", b"0123456789"}
