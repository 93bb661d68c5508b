"""A running `lakehouse sync` gets Ctrl-C or SIGTERM: it ends soon, in order, says how far it came, and can be repeated."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

COUNT, SIZE_BYTES = 40, 100_000


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")])
def test_sync_in_mid_flight(start, lakehouse, s3, bucket, tmp_path, number, code, word):
    tree = tmp_path / "tree"
    tree.mkdir()
    for at in range(COUNT):
        (tree / f"f {at:02}").write_bytes(os.urandom(SIZE_BYTES))
    slow = {"LAKEHOUSE_TRANSFER__MAX_BYTES_PER_S": str(SIZE_BYTES * 4)}  # ten seconds for all
    with start("sync", tree, f"s3://{bucket}/to", env=slow) as process:
        deadline_s = time.monotonic() + 30
        while len(list(s3.list_objects(bucket))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert process.poll() is None
        asked_s = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: to everything in the foreground
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - asked_s < 3
    assert process.returncode == code
    there = {info.key: info.size_bytes for info in s3.list_objects(bucket)}
    assert 2 <= len(there) < COUNT
    assert set(there.values()) == {SIZE_BYTES}
    told = re.search(rf"{word}: (\d+) of {COUNT} objects", err)
    assert told is not None
    assert 0 <= len(there) - int(told[1]) <= 8  # what arrived in the last moment need not have been confirmed
    assert "the same command does the rest" in err
    assert "Traceback" not in err
    rest = lakehouse("sync", tree, f"s3://{bucket}/to", "--json")
    assert rest.code == 0
    assert rest.summary["objects"]["done"] == COUNT - len(there)
    assert rest.summary["objects"]["skipped"] == len(there)
