"""Room 5 of tables, what is made of tables for a person: quality, gold views, descriptions, search, the gate, replays.

Belongs here: reports and derived rows. Must not: opening catalogues (`tables.catalog` is above). Read `gold.view.GoldView` and
`quality.report.QualityReport` first.
"""
