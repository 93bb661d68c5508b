"""The ledger's SQL tables, for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

METADATA = sa.MetaData()
# Ordered by bytes, as SQLite and the sources do, whatever the language of the database.
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _entry_columns() -> list[sa.Column[Any]]:
    text, number = _TEXT, sa.BigInteger
    return [
        sa.Column("source", text, nullable=False),
        sa.Column("market", text, nullable=False),
        sa.Column("data_type", text, nullable=False),
        sa.Column("symbol", text, nullable=False),
        sa.Column("interval", text, nullable=False),
        sa.Column("frequency", text, nullable=False),
        sa.Column("period_start", number, nullable=False),  # seconds since 1970, as all days
        sa.Column("period_end", number, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("etag", text, nullable=False),
        sa.Column("size_bytes", number, nullable=False),
        sa.Column("last_modified", number, nullable=False),  # microseconds since 1970, as all moments
        sa.Column("checksum_etag", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("published_sha256", text),
        sa.Column("sha256", text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_at", number, nullable=False),
    ]


LEDGER = sa.Table("lakehouse_ledger", METADATA, *_entry_columns(), sa.PrimaryKeyConstraint("source", "key"))
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts up by itself there
EVENTS = sa.Table(
    "lakehouse_ledger_events",
    METADATA,
    sa.Column("event_id", _ID, primary_key=True, autoincrement=True),
    *_entry_columns(),
    sqlite_autoincrement=True,
)
REVISIONS = sa.Table(
    "lakehouse_ledger_revisions",
    METADATA,
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("key", _TEXT, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text),
    sa.Column("replaced_at", sa.BigInteger, nullable=False),
    sa.Column("kept_key", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("source", "key", "revision"),
)
RUNS = sa.Table(
    "lakehouse_collections",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("objects", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)
LISTINGS = sa.Table(
    "lakehouse_listings",
    METADATA,
    *(sa.Column(name, _TEXT, nullable=False) for name in ("source", "market", "data_type", "symbol", "interval")),
    sa.Column("span_start", sa.BigInteger, nullable=False),
    sa.Column("span_end", sa.BigInteger, nullable=False),
    sa.Column("listed_at", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("source", "market", "data_type", "symbol", "interval", "span_start", "span_end"),
)
DAYS = sa.Table(
    "lakehouse_ledger_days",
    METADATA,
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("key", _TEXT, nullable=False),
    sa.Column("day", sa.BigInteger, nullable=False),
    sa.Column("accepted", sa.BigInteger, nullable=False),
    sa.Column("expected", sa.BigInteger),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("source", "key", "day"),
)
PASSED_OVER = sa.Table(
    "lakehouse_passed_over",
    METADATA,
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("key", _TEXT, nullable=False),
    sa.Column("days", sa.BigInteger, nullable=False),  # bit n for the day n of the period, from 0
    sa.PrimaryKeyConstraint("source", "key"),
)
FORMAT = sa.Table("lakehouse_format", METADATA, sa.Column("version", sa.Integer, primary_key=True))
IDENTITY = sa.Table("lakehouse_ledger_identity", METADATA, sa.Column("ledger_id", sa.Text, primary_key=True))
SERIES = (LEDGER.c.market, LEDGER.c.data_type, LEDGER.c.symbol, LEDGER.c.interval)
ORDER = (*SERIES, LEDGER.c.frequency, LEDGER.c.period_start, LEDGER.c.key)
sa.Index("lakehouse_ledger_by_series", LEDGER.c.source, *ORDER)
FIELDS = tuple(column.name for column in LEDGER.columns)
