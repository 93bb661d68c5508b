"""The loop that many write first: list the source, ask for each object at the target, copy where it is missing or differs."""

from __future__ import annotations

import os
import sys

import botocore.session
from botocore.exceptions import ClientError

source, target = sys.argv[1:3]
s3 = botocore.session.Session().create_client(
    "s3",
    endpoint_url=os.environ["SITE_A_URL"],
    aws_access_key_id=os.environ["SITE_A_KEY"],
    aws_secret_access_key=os.environ["SITE_A_SECRET"],
    region_name="us-east-1",
)
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=source):
    for item in page.get("Contents", []):
        try:
            there = s3.head_object(Bucket=target, Key=item["Key"])
        except ClientError:
            there = {}
        if there.get("ETag") != item["ETag"]:
            s3.copy_object(CopySource={"Bucket": source, "Key": item["Key"]}, Bucket=target, Key=item["Key"])
