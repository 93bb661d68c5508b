"""What symbols say by their spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives.instruments import QUOTES, read_symbol, spell_symbol, split_pair


@pytest.mark.parametrize(
    ("source", "market", "symbol", "canonical", "kind"),
    [
        ("binance", "spot", "BTCUSDT", "BTC/USDT", "spot"),
        ("binance", "spot", "ETHBTC", "ETH/BTC", "spot"),
        ("binance", "spot", "1000SATSUSDT", "1000SATS/USDT", "spot"),
        ("binance", "spot", "BTCFDUSD", "BTC/FDUSD", "spot"),
        ("binance", "um", "BTCUSDT", "BTC/USDT:USDT", "perpetual"),
        ("binance", "um", "BTCUSDT_240628", "BTC/USDT:USDT-240628", "future"),
        ("binance", "cm", "BTCUSD_PERP", "BTC/USD:BTC", "perpetual"),
        ("binance", "cm", "ETHUSD_250328", "ETH/USD:ETH-250328", "future"),
        ("binance", "cm", "ETHUSD", "ETH/USD:ETH", "perpetual"),
        ("binance", "option", "BTCBVOLUSDT", "", "index"),
        ("binance", "option", "BTCUSDT", "", "option"),
        ("binance", "spot", "币安人生USDT", "币安人生/USDT", "spot"),
        ("binance", "spot", "NONSENSE", "", "unknown"),
        ("binance", "spot", "BTCUSDT_240628", "", "unknown"),
        ("coinbase", "spot", "BTC-USD", "BTC/USD", "spot"),
        ("coinbase", "spot", "BTC", "", "unknown"),
        ("ftx", "perp", "BTC-PERP", "BTC/USD:USD", "perpetual"),
        ("ftx", "future", "BTC-0325", "", "future"),
        ("ftx", "spot", "BTC-USD", "BTC/USD", "spot"),
        ("ftx", "spot", "BTC/USD", "BTC/USD", "spot"),
        ("ftx", "move", "BTC-MOVE-20220101", "", "future"),
        ("mine", "spot", "BTCUSDT", "", "unknown"),
    ],
)
def test_canonical_names_are_those_of_ccxt(source: str, market: str, symbol: str, canonical: str, kind: str) -> None:
    said = read_symbol(source, market, symbol)
    assert (said.canonical, said.kind) == (canonical, kind)


def test_the_size_of_a_contract_is_given_where_it_is_known() -> None:
    assert read_symbol("binance", "cm", "BTCUSD_PERP").contract_size == 100.0
    assert read_symbol("binance", "cm", "ETHUSD_PERP").contract_size is None
    assert read_symbol("binance", "um", "BTCUSDT").contract_size is None


@given(st.text(min_size=1), st.sampled_from(QUOTES))
def test_a_pair_is_split_so_that_it_can_be_put_together(base: str, quote: str) -> None:
    found = split_pair(base + quote)
    assert "".join(found) == base + quote
    assert found[1] in QUOTES
    assert len(found[1]) >= len(quote)


@given(st.text(), st.text(), st.text())
def test_no_spelling_is_too_odd(source: str, market: str, symbol: str) -> None:
    said = read_symbol(source, market, symbol)
    assert not said.canonical or said.canonical.startswith(f"{said.base}/{said.quote}")


@given(st.sampled_from(["BTC", "ETH", "1000SATS", "USDC"]), st.sampled_from(QUOTES), st.sampled_from(["", "_PERP", "_250328"]))
def test_a_canonical_name_leads_back_to_a_symbol_that_means_the_same(base: str, quote: str, ending: str) -> None:
    places = [("binance", "spot"), ("binance", "um"), ("binance", "cm"), ("coinbase", "spot"), ("ftx", "spot"), ("ftx", "perp")]
    for source, market in places:
        for symbol in (f"{base}{quote}{ending}", f"{base}-{quote}", f"{base}/{quote}", f"{base}-PERP"):
            canonical = read_symbol(source, market, symbol).canonical
            if canonical:
                native = spell_symbol(source, market, canonical)
                assert native is not None
                assert read_symbol(source, market, native).canonical == canonical


@pytest.mark.parametrize(
    ("market", "canonical", "native"),
    [
        ("spot", "BTC/USDT", "BTCUSDT"),
        ("um", "BTC/USDT:USDT", "BTCUSDT"),
        ("um", "BTC/USDT:USDT-250328", "BTCUSDT_250328"),
        ("cm", "BTC/USD:BTC", "BTCUSD_PERP"),
        ("um", "BTC/USDT", None),
        ("spot", "BTC/USDT:USDT", None),
        ("option", "BTC/USDT", None),
        ("spot", "nonsense", None),
    ],
)
def test_a_canonical_name_of_another_market_is_none_of_this_one(market: str, canonical: str, native: str | None) -> None:
    assert spell_symbol("binance", market, canonical) == native
    assert spell_symbol("mine", market, canonical) is None
