"""Binance Vision, the public archive of Binance."""
