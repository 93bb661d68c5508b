"""Connectors are found through the entry-point group; a broken one hurts no other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_sdk.archives import ArchiveObject, ConnectorWarning, get_connector, list_connector_names, load_connectors
from lakehouse_sdk.archives.binance import BinanceConnector
from lakehouse_sdk.archives.coinbase import CoinbaseConnector
from lakehouse_sdk.archives.ftx import FtxConnector
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.uris import S3Address


@pytest.fixture
def broken_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's installed package whose connector raises when it is imported."""
    (tmp_path / "broken_exchange.py").write_text("raise RuntimeError('no such exchange')\n")
    metadata = tmp_path / "broken_exchange-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-exchange\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lakehouse_sdk.archives]\nbroken = broken_exchange:Connector\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_our_connectors_use_the_public_door() -> None:
    assert list_connector_names() == ["binance", "coinbase", "ftx"]
    assert isinstance(get_connector("binance", load_settings()), BinanceConnector)
    assert isinstance(get_connector("ftx", load_settings()), FtxConnector)
    assert isinstance(get_connector("coinbase", load_settings()), CoinbaseConnector)


def test_an_unknown_connector_names_the_installed_ones() -> None:
    with pytest.raises(UsageError, match=r"no archive connector 'kraken'\. Installed: binance, coinbase, ftx"):
        get_connector("kraken", load_settings())


@pytest.mark.usefixtures("broken_package")
def test_a_broken_connector_is_named_in_a_warning_and_the_others_load() -> None:
    with pytest.warns(ConnectorWarning, match=r"'broken' of the package broken-exchange .*RuntimeError: no such exchange"):
        connectors = load_connectors(load_settings())
    assert list(connectors) == ["binance", "coinbase", "ftx"]


@pytest.mark.usefixtures("broken_package")
def test_asking_for_a_sound_connector_does_not_load_the_broken_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_connector("binance", load_settings()).name == "binance"


@pytest.mark.usefixtures("broken_package")
def test_asking_for_the_broken_connector_says_why() -> None:
    with pytest.raises(ConfigurationError, match="no such exchange") as caught:
        get_connector("broken", load_settings())
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "uninstall" in str(caught.value)


def test_the_default_settings_point_at_the_real_public_bucket() -> None:
    settings = load_settings()
    profile = settings.profile("binance")
    assert settings.archives.binance.bucket == "data.binance.vision"
    assert profile.endpoint_url == "https://s3.ap-northeast-1.amazonaws.com"
    assert (profile.anonymous, profile.addressing_style, profile.region) == (True, "path", "ap-northeast-1")


def test_capabilities_name_the_terms_and_all_that_can_be_asked_for() -> None:
    capabilities = get_connector("binance", load_settings()).capabilities()
    assert capabilities.source == "binance"
    assert capabilities.terms_url.startswith("https://")
    assert {dataset.market for dataset in capabilities.datasets} == {"spot", "um", "cm", "option"}


def test_transfer_is_told_where_an_archive_lies(make_archive: Callable[..., ArchiveObject]) -> None:
    found = make_archive("2024-12")
    address = get_connector("binance", load_settings()).find_address(found)
    assert address == S3Address("data.binance.vision", found.key, profile="binance")
