"""From a source into bronze: discover, plan, copy, verify, record in the ledger; and how complete that is.

Belongs here: what joins `archives` and `transfer`. Must not: tables of rows. Read `run.collect` first, it calls the others in
order.
"""
