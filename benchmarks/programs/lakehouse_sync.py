"""A user's program: connect, then `sync` (or only `plan`); prints what the report says and what the engine itself cost."""

from __future__ import annotations

import json
import resource
import sys

import lakehouse_sdk


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


verb, source, target = sys.argv[1:4]
lake = lakehouse_sdk.connect()
import lakehouse_sdk.transfer  # noqa: E402 (imports are not the engine's cost)

before_s = cpu_s()
if verb == "plan":
    said = lake.plan(source, target).to_dict()
else:
    report = lake.sync(source, target)
    report.raise_for_failures()
    said = report.to_dict()
print(json.dumps({**said, "engine_cpu_s": cpu_s() - before_s, "loads_s3fs": "s3fs" in sys.modules}))
