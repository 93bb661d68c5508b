"""Options for clients that bring their own S3."""

from __future__ import annotations

import copy
import pickle
import pprint
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lakehouse_sdk.config import S3Profile, Settings, StorageOptions, load_settings, storage_options
from lakehouse_sdk.errors import ConfigurationError, UsageError

CLIENTS = ["dask", "duckdb", "fsspec", "obstore", "pandas", "polars", "pyarrow", "pyiceberg", "s3fs", "spark"]
SECRETS = ("the-key", "the-secret", "the-token")
PASSWORD = "the-word"


@pytest.fixture
def settings() -> Settings:
    server = S3Profile(endpoint_url="http://h:1", access_key="the-key", secret_key="the-secret", session_token="the-token")
    other = {**server.model_dump(), "endpoint_url": "http://other:2"}
    catalog = {"uri": "postgresql+psycopg://someone:the-word@db:5433/lake"}
    return load_settings(storage=server, profiles={"other": other}, catalog=catalog)


def show_rich(options: StorageOptions) -> str:
    text = StringIO()
    Console(file=text, width=400).print(options)
    return text.getvalue()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("show", [repr, str, pprint.pformat, show_rich, "{}".format], ids=lambda show: show.__name__)
def test_what_is_shown_masks_every_secret(settings: Settings, client: str, show: object) -> None:
    shown = show(storage_options(settings, client))  # type: ignore[operator]
    assert not [secret for secret in (*SECRETS, PASSWORD) if secret in shown]
    assert "**********" in shown
    assert "h:1" in shown


@pytest.mark.parametrize("client", sorted(set(CLIENTS) - {"fsspec", "dask"}))
def test_what_the_client_gets_is_a_dict_with_everything(settings: Settings, client: str) -> None:
    options = storage_options(settings, client)
    assert isinstance(options, dict)
    assert set(SECRETS) < {value for value in options.values() if isinstance(value, str)}


def test_a_copy_or_pickle_masks_too(settings: Settings) -> None:
    options = storage_options(settings, "polars")
    for again in (copy.copy(options), copy.deepcopy(options), pickle.loads(pickle.dumps(options))):
        assert again == options
        assert "the-secret" not in repr(again)


def test_lakehouse_addresses_take_the_settings_themselves(settings: Settings) -> None:
    assert storage_options(settings, "fsspec") == {"settings": settings}
    assert storage_options(settings, "dask", profile="other") == {"settings": settings, "profile": "other"}


def test_another_profile(settings: Settings) -> None:
    assert storage_options(settings, "polars", profile="other")["aws_endpoint_url"] == "http://other:2"
    with pytest.raises(ConfigurationError, match="no profile 'nobody'"):
        storage_options(settings, "polars", profile="nobody")


def test_an_unknown_client_lists_the_known_ones(settings: Settings) -> None:
    with pytest.raises(UsageError, match=f"'excel'.*{', '.join(CLIENTS)}"):
        storage_options(settings, "excel")


def test_spark_gets_the_catalogue_too(settings: Settings, tmp_path: Path) -> None:
    options = storage_options(settings, "spark")
    assert options["uri"] == "jdbc:postgresql://db:5433/lake"
    assert (options["jdbc.user"], options["jdbc.password"]) == ("someone", PASSWORD)
    assert (options["warehouse"], options["s3.path-style-access"]) == ("s3://lakehouse/warehouse", "true")
    local = load_settings(
        storage={"endpoint_url": "http://h:1", "anonymous": True}, catalog={"uri": f"sqlite:///{tmp_path}/c.db"}
    )
    options = storage_options(local, "spark")
    assert options["uri"] == f"jdbc:sqlite:{tmp_path}/c.db"
    assert not [name for name in options if "key" in name or name.startswith("jdbc.user")]
    with pytest.raises(ConfigurationError, match="No catalogue is set"):
        storage_options(load_settings(storage=local.storage), "spark")


def test_spark_asks_the_rest_catalogue_that_the_sdk_asks(settings: Settings) -> None:
    rest = {"uri": "https://catalog.example.org", "warehouse": "market", "token": "open-sesame"}
    options = storage_options(load_settings(storage=settings.storage, catalog=rest), "spark")
    assert {name: options[name] for name in ("type", "uri", "warehouse", "token")} == {"type": "rest", **rest}
    assert options["s3.endpoint"] == settings.storage.resolved_endpoint_url
    assert "open-sesame" not in repr(options)
    bare = storage_options(load_settings(storage=settings.storage, catalog={"uri": "http://localhost:8181"}), "spark")
    assert not {"warehouse", "token", "credential", "jdbc.user"} & set(bare)
