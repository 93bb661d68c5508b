"""Counts the rows of each day of `silver.klines` with pyiceberg alone; run as a program, so that nothing of ours is loaded.

Standard input: JSON with the name and the properties of an SQL catalogue. Standard output: JSON, symbol → day → rows in all,
and how many of them differ in time.
"""

import json
import sys
from collections import defaultdict

from pyiceberg.catalog.sql import SqlCatalog


def main() -> None:
    name, properties = json.load(sys.stdin)
    catalog = SqlCatalog(name, **properties)
    rows = catalog.load_table("silver.klines").scan(selected_fields=("symbol", "open_time")).to_arrow()
    times: dict[str, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    for symbol, time in zip(rows["symbol"].to_pylist(), rows["open_time"].to_pylist(), strict=True):
        times[symbol][f"{time:%Y-%m-%d}"].append(time)
    assert not any(module.startswith("lakehouse_sdk") for module in sys.modules)
    counted = {s: {day: [len(found), len(set(found))] for day, found in days.items()} for s, days in times.items()}
    json.dump(counted, sys.stdout)


if __name__ == "__main__":
    main()
