"""Every data type through its real table: committed, read back, replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pyiceberg.schema import Schema
from table_samples import check, spec_of

from lakehouse_sdk.tables import TableCatalog
from lakehouse_sdk.tables.layout.formats import DATA_TABLES
from lakehouse_sdk.tables.layout.schemas import LAYOUTS
from lakehouse_sdk.testing.samples import SAMPLE_TYPES, make_sample


def test_every_table_gives_back_what_was_committed(catalog: TableCatalog) -> None:
    samples = [make_sample(type_, 60) for type_ in SAMPLE_TYPES]
    # The two forms of one ftx archive have the same rows' keys; a lake holds one of them.
    report = catalog.commit([check(sample) for sample in samples])
    assert report.rows_written == report.rows_in == sum(len(sample.rows) for sample in samples)
    assert {table.table for table in report.tables} > DATA_TABLES
    for sample in samples:
        table = catalog.table(spec_of(sample).table)
        assert all(column.doc for column in table.columns)
        rows = [
            row
            for row in table.scan(columns=[c.name for c in table.columns]).to_arrow().to_pylist()
            if row["_source_key"] == sample.key
        ]
        assert len(rows) == len(sample.rows)
        for row, expected in zip(rows, sample.rows, strict=True):
            assert {name: row[name] for name in expected.truth} == expected.truth
            assert (row["source"], row["market"], row["symbol"]) == (sample.source, sample.market, sample.symbol)
    again = catalog.commit([check(sample) for sample in samples])
    assert again.rows_written == 0


def test_scans_of_new_tables_are_limited_by_symbol_and_time(catalog: TableCatalog) -> None:
    (type_,) = (type_ for type_ in SAMPLE_TYPES if (type_.market, type_.data_type) == ("um", "metrics"))
    sample = make_sample(type_, 288)
    catalog.commit([check(sample)])
    scan = catalog.table("silver.metrics").scan(
        "BTCUSDT", start=sample.period_start, end=sample.period_start + timedelta(hours=1)
    )
    assert scan.to_arrow().num_rows == 11


def test_a_new_revision_replaces_the_row_on_the_periods_end_too(catalog: TableCatalog) -> None:
    """The midnight that ends a day of metrics lies outside the archive's period, at a month's end in another partition."""
    (type_,) = (type_ for type_ in SAMPLE_TYPES if (type_.market, type_.data_type) == ("um", "metrics"))
    start = make_sample(type_).period_start + timedelta(days=30)
    old, new = (make_sample(type_, 288, seed=seed, start=start) for seed in (1, 2))
    catalog.commit([check(old)])
    report = catalog.commit([check(new)])
    assert [table.archives_replaced for table in report.tables if table.table == "silver.metrics"] == [1]
    rows = catalog.table("silver.metrics").scan(columns=["sum_open_interest"]).to_arrow()
    assert rows["sum_open_interest"].to_pylist() == [row.truth["sum_open_interest"] for row in new.rows]
    catalog.commit([check(new, new.text(new.lines[:5]))])
    assert catalog.table("silver.metrics").row_count == 5


def test_a_table_of_an_older_release_takes_the_new_columns(catalog: TableCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    spot, cm = (
        make_sample(type_, 20) for type_ in SAMPLE_TYPES if type_.data_type == "klines" and type_.market in {"spot", "cm"}
    )
    layout = LAYOUTS["silver.klines"]
    later = {"contract_volume", "taker_buy_contract_volume", "instrument"}
    fields = [field.model_copy(update={"required": True}) for field in layout.schema.fields if field.name not in later]
    with monkeypatch.context() as patch:
        patch.setitem(LAYOUTS, layout.name, replace(layout, schema=Schema(*fields)))
        catalog.commit([check(spot)])
        assert all(column.required for column in catalog.table(layout.name).columns)
    catalog.commit([check(cm)])
    table = catalog.table(layout.name)
    assert [column.name for column in table.columns] == layout.schema.column_names
    rows = table.scan(market="cm").to_arrow().to_pylist()
    for row, expected in zip(rows, cm.rows, strict=True):
        assert {name: row[name] for name in expected.truth} == expected.truth
        assert row["quote_volume"] is None
    assert table.scan(market="spot", columns=["contract_volume"]).to_arrow()["contract_volume"].null_count == 20
    schema = table.metadata_location
    catalog.commit([check(cm)])
    assert catalog.table(layout.name).metadata_location == schema, "looked at once more, changed no more"
