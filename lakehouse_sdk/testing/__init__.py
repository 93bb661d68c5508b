"""Shipped test kit: mirror publisher, suites, fault injection."""
