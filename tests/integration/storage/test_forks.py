"""A forked child shares no connection with its parent: two readers of one socket get each other's answers."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from lakehouse_sdk.storage import S3Client

OBJECTS, READS = 40, 150


def read_all(s3: S3Client, bucket: str, seed: int, answer: Connection) -> None:
    """Read objects in another order for each process, and say how many were not their own bytes."""
    wrong = 0
    for number in range(READS):
        key = f"k{(number * 7 + seed) % OBJECTS:02}"
        wrong += s3.get_bytes(bucket, key) != key.encode() * 500
    answer.send(wrong)


def test_children_and_parent_get_their_own_bytes(s3: S3Client, bucket: str) -> None:
    for number in range(OBJECTS):
        s3.put_bytes(bucket, f"k{number:02}", f"k{number:02}".encode() * 500)
    with ThreadPoolExecutor(6) as pool:  # several idle connections, for children to inherit
        list(pool.map(lambda n: s3.get_bytes(bucket, f"k{n:02}"), range(OBJECTS)))
    context = multiprocessing.get_context("fork")
    started = []
    for seed in range(4):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=read_all, args=(s3, bucket, seed, theirs))
        process.start()
        started.append((process, ours))
    mine, own = context.Pipe(duplex=False)
    reader = threading.Thread(target=read_all, args=(s3, bucket, 9, own))
    reader.start()
    assert [answer.recv() for _, answer in started] == [0] * len(started)
    reader.join()
    assert mine.recv() == 0
    for process, _ in started:
        process.join()
        assert process.exitcode == 0


def test_a_child_of_a_thread_that_held_the_lock_can_read(s3: S3Client, bucket: str) -> None:
    """Whoever holds a pool's lock at the moment of a fork is not in the child to let it go."""
    s3.put_bytes(bucket, "a", b"1")
    (pool,) = s3._wire._pools.values()
    with pool._lock:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=lambda: theirs.send(s3.get_bytes(bucket, "a")))
        process.start()
    assert ours.recv() == b"1"
    process.join()
