"""What a user of s3fs writes: `put`, `get`, `copy` of a whole tree, or `get` and `put` between two servers."""

from __future__ import annotations

import os
import sys

import s3fs


def connect(name: str) -> s3fs.S3FileSystem:
    return s3fs.S3FileSystem(
        endpoint_url=os.environ[f"{name}_URL"],
        key=os.environ[f"{name}_KEY"],
        secret=os.environ[f"{name}_SECRET"],
        client_kwargs={"region_name": "us-east-1"},
    )


verb, source, target = sys.argv[1:4]
if verb == "put":
    connect("SITE_A").put(f"{source}/", f"{target}/", recursive=True)
elif verb == "get":
    connect("SITE_A").get(f"{source}/", f"{target}/", recursive=True)
elif verb == "copy":
    fs = connect("SITE_A")
    keys = fs.find(source)  # a recursive copy of a whole bucket fails on the bucket's own name
    fs.copy(keys, [target + key.removeprefix(source) for key in keys])
elif verb in {"staged", "staged-there"}:
    folder = sys.argv[4]
    connect("SITE_A").get(f"{source}/", f"{folder}/", recursive=True)
    connect("SITE_A" if verb == "staged" else "SITE_B").put(f"{folder}/", f"{target}/", recursive=True)
