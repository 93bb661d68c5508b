"""A user's program: discover, collect, collect twice, or plainly copy the same objects; prints what it took."""

from __future__ import annotations

import json
import sys
import time

import lakehouse_sdk
from lakehouse_sdk.archives import ArchiveObject

verb, bucket = sys.argv[1:3]
lake = lakehouse_sdk.connect()
found = lake.discover(markets=("spot",), data_types=("klines",), intervals=("1m",))
started = time.perf_counter()
if verb == "discover":
    archives = sum(isinstance(item, ArchiveObject) for item in found)
    print(json.dumps({"archives": archives}))
elif verb == "copy":
    report = lake.sync(f"lakehouse://binance@{bucket}/data", f"lakehouse://{lake.settings.lake.bucket}/copy")
    report.raise_for_failures()
    print(json.dumps({"objects": len(report.outcomes), "requests": report.s3_requests}))
else:
    first = lake.collect(found)
    first.raise_for_failures()
    first_s = time.perf_counter() - started
    said = {"archives": first.counts()["verified"], "first_s": first_s}
    if verb == "twice":
        started = time.perf_counter()
        second = lake.collect(lake.discover(markets=("spot",), data_types=("klines",), intervals=("1m",)))
        said |= {"second_s": time.perf_counter() - started, "present": second.counts()["present"]}
    print(json.dumps(said))
