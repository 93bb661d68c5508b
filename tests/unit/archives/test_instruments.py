"""What symbols say by their spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_sdk.archives.assets import QUOTES, list_assets
from lakehouse_sdk.archives.instruments import read_symbol, spell_symbol, split_pair


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
    assert read_symbol("binance", "cm", "ETHUSD_PERP").contract_size == 10.0
    assert read_symbol("binance", "um", "BTCUSDT").contract_size is None


@given(st.text(min_size=1), st.sampled_from(QUOTES))
def test_a_pair_is_split_so_that_it_can_be_put_together(base: str, quote: str) -> None:
    found = split_pair(base + quote)
    assert "".join(found) == base + quote
    assert found[1] in QUOTES


# Pairs that were listed, of which the longest ending that is a quote is the wrong one, or nearly so.
@pytest.mark.parametrize(
    ("market", "symbol", "base", "quote"),
    [
        ("cm", "DOTUSD_PERP", "DOT", "USD"),
        ("cm", "BNBUSD_PERP", "BNB", "USD"),
        ("cm", "BNBUSD", "BNB", "USD"),
        ("cm", "PAXUSDUSD_PERP", "PAXUSD", "USD"),
        ("spot", "ADAEUR", "ADA", "EUR"),
        ("spot", "LUNAEUR", "LUNA", "EUR"),
        ("spot", "BTCAEUR", "BTC", "AEUR"),
        ("spot", "BNBIDR", "BNB", "IDR"),
        ("spot", "BNBBIDR", "BNB", "BIDR"),
        ("spot", "XRPRLUSD", "XRP", "RLUSD"),
        ("spot", "RLUSDUSDT", "RLUSD", "USDT"),
        ("spot", "BNBBUSD", "BNB", "BUSD"),
        ("spot", "BTCTUSD", "BTC", "TUSD"),
        ("spot", "TUSDT", "T", "USDT"),
        ("spot", "TUSDUSDT", "TUSD", "USDT"),
        ("spot", "TUSDBTUSD", "TUSDB", "TUSD"),
        ("spot", "WINTRX", "WIN", "TRX"),
        ("spot", "SCBTC", "SC", "BTC"),
        ("spot", "BETHETH", "BETH", "ETH"),
        ("spot", "EURIUSDT", "EURI", "USDT"),
        ("spot", "BTCEURI", "BTC", "EURI"),
        ("spot", "NEWASSETBUSD", "NEWASSET", "BUSD"),
        ("spot", "NEWASSETAEUR", "NEWASSETA", "EUR"),
        ("um", "1000SHIBUSDC", "1000SHIB", "USDC"),
        ("um", "ETHBTC", "ETH", "BTC"),
        ("um", "BNXUSDTSETTLED", "BNX", "USDT"),
        ("um", "ICPUSDT_SETTLED", "ICP", "USDT"),
    ],
)
def test_a_known_asset_decides_where_two_quotes_end_a_pair(market: str, symbol: str, base: str, quote: str) -> None:
    said = read_symbol("binance", market, symbol)
    assert (said.base, said.quote) == (base, quote)


@pytest.mark.parametrize("base", sorted(list_assets()))
def test_of_every_known_asset_the_common_pairs_are_read(base: str) -> None:
    for quote in ("USDT", "BTC", "BUSD", "EUR", "TRY"):
        if base != quote:
            said = read_symbol("binance", "spot", base + quote)
            assert said.base in list_assets()
            assert said.base + said.quote == base + quote
    assert read_symbol("binance", "cm", f"{base}USD_PERP").canonical == f"{base}/USD:{base}"


def test_a_contract_that_was_settled_is_what_it_was() -> None:
    for symbol in ("BNXUSDTSETTLED", "BNXUSDT_SETTLED"):
        assert read_symbol("binance", "um", symbol) == read_symbol("binance", "um", "BNXUSDT")
    assert read_symbol("binance", "spot", "BNXUSDTSETTLED").canonical == ""


def test_a_name_that_was_given_to_another_asset_means_the_first_one_until_then() -> None:
    may, june = datetime(2022, 5, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)
    assert read_symbol("binance", "spot", "LUNAUSDT", may).canonical == "LUNC/USDT"
    assert read_symbol("binance", "spot", "BTCLUNA", may).canonical == ""
    assert read_symbol("binance", "spot", "LUNAUSDT", june).canonical == "LUNA/USDT"
    assert read_symbol("binance", "spot", "LUNAUSDT").canonical == "LUNA/USDT"
    assert read_symbol("binance", "spot", "LUNCUSDT", may).canonical == "LUNC/USDT"


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
