"""One small job of `benchmarks/guard.py`, in a process of its own: and nothing else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    JOBS[sys.argv[1]](json.loads(sys.argv[2]))


def connect(facts: dict[str, Any]) -> Any:
    import lakehouse_sdk

    return lakehouse_sdk.connect(**facts["settings"])


def import_all(_: dict[str, Any]) -> None:
    import lakehouse_sdk.jobs
    import lakehouse_sdk.tables.catalog  # noqa: F401


def plan(facts: dict[str, Any]) -> None:
    connect(facts).plan(facts["many"], f"s3://{facts['bucket']}/nothing-yet")


def upload(facts: dict[str, Any]) -> None:
    connect(facts).sync(facts["folder"], f"s3://{facts['bucket']}/up-{os.getpid()}")


def download(facts: dict[str, Any]) -> None:
    connect(facts).sync(f"s3://{facts['bucket']}/there", str(Path(facts["scratch"]) / str(os.getpid())))


def copy_inside(facts: dict[str, Any]) -> None:
    connect(facts).sync(f"s3://{facts['bucket']}/there", f"s3://{facts['bucket']}/copy-{os.getpid()}")


def nothing_to_do(facts: dict[str, Any]) -> None:
    connect(facts).sync(facts["folder"], f"s3://{facts['bucket']}/there")


def collect_and_build(facts: dict[str, Any]) -> None:
    import lakehouse_sdk

    own = {**facts["settings"], "lake": {"bucket": facts["bucket"], "bronze_prefix": f"bronze-{os.getpid()}"}}
    own["lake"]["warehouse_prefix"] = f"warehouse-{os.getpid()}"
    own["catalog"] = {"uri": f"sqlite:///{facts['scratch']}/{os.getpid()}.db"}
    lake = lakehouse_sdk.connect(**own)
    lake.build(lake.collect(lake.discover(markets=("spot",), data_types=("klines",))))


def scan(facts: dict[str, Any]) -> None:
    connect(facts).table("silver.klines").scan().to_pandas()


JOBS = {
    "import": import_all,
    "plan 5,000 files": plan,
    "upload 300 files": upload,
    "download 300 objects": download,
    "copy 300 objects inside": copy_inside,
    "nothing to do, 300 objects": nothing_to_do,
    "collect and build 31 archives": collect_and_build,
    "scan to pandas": scan,
}

if __name__ == "__main__":
    main()
