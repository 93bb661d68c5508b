"""A server dies in mid-copy and comes back; nothing is lost, nothing is half-there, and the report says what happened."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_witness import MIB, Place, check_honest, copy, new_bucket, once, read_folder, relative_keys

from lakehouse_sdk.testing.cluster import MinioCluster
from lakehouse_sdk.transfer import plan_transfer, run_transfer


def small_objects(count: int) -> dict[str, bytes]:
    return {
        f"d{i % 7}/{'with space ' if i % 20 == 0 else 'k'}{i:04}": hashlib.sha256(str(i).encode()).digest() * 64
        for i in range(count)
    }


def count_on_disk(server_folder: Path, bucket: str) -> int:
    """Objects that a dead MinIO holds."""
    return sum(1 for _ in (server_folder / "data" / bucket).rglob("xl.meta"))


@pytest.mark.parametrize(
    ("kind", "s5cmd_min_bytes"),
    [
        ("inside", MIB),
        ("to it", MIB),
        ("from it", MIB),
        ("upload", MIB),
        ("upload", 0),
        ("download", MIB),
        ("download", 0),
    ],
)
def test_killed_and_restarted_in_mid_copy(victim, there, make_settings, tmp_path, kind, s5cmd_min_bytes):
    """`inside`: source and target are the server that dies; `to it` and `from it`: the other one lives on."""
    # s5cmd brings thousands a second, and what it brought shows in batches.
    objects = small_objects(4000 if kind == "download" else 240)
    dying = new_bucket(victim.profile)
    source: Place | Path = there if kind == "to it" else dying
    target: Place | Path = {"inside": new_bucket(victim.profile), "to it": dying, "from it": there}.get(kind, tmp_path / "down")
    if kind == "upload":
        source, target = tmp_path / "up", dying
        for key, body in objects.items():
            (source / key).parent.mkdir(parents=True, exist_ok=True)
            (source / key).write_bytes(body)
        expected = {key: hashlib.md5(body).hexdigest() for key, body in objects.items()}
    else:
        assert isinstance(source, Place)
        expected = source.fill(objects)
    settings = make_settings(victim.profile, there.profile, s5cmd_min_bytes=s5cmd_min_bytes)
    from_address, to_address = (end.address if isinstance(end, Place) else end for end in (source, target))
    arrived: list[int] = []
    starters: list[threading.Thread] = []

    def found() -> dict[str, str]:
        return target.contents() if isinstance(target, Place) else read_folder(target)

    def bring_back() -> None:
        time.sleep(0.5)
        victim.start()

    def kill() -> None:
        os.kill(victim.pid, signal.SIGKILL)
        while victim.running:
            time.sleep(0.01)
        dead = isinstance(target, Place) and target.profile == victim.profile
        arrived.append(count_on_disk(victim.data_dir, target.bucket) if dead else len(found()))
        starters.append(threading.Thread(target=bring_back))
        starters[0].start()

    plan = plan_transfer(from_address, to_address, settings=settings)
    report = run_transfer(plan, settings=settings, observer=once(20, kill))
    starters[0].join()
    assert 0 < arrived[0] < len(objects)
    there_now = found()
    check_honest(report, relative_keys(plan), expected, there_now)
    rest = plan_transfer(from_address, to_address, settings=settings)
    assert rest.totals.skip_objects == len(there_now)
    run_transfer(rest, settings=settings).raise_for_failures()
    assert found() == expected
    assert not list((tmp_path / "staging").glob("*"))


@pytest.mark.deep
def test_killed_in_the_middle_of_large_objects_it_holds_no_open_upload_after_the_next_run(victim, there, make_settings):
    """What the dead server still knows of half-sent objects is cleared by the run that finishes them."""
    bodies = {f"large{i}": os.urandom(MIB) * 32 for i in range(8)}
    expected = there.fill(bodies)
    target = new_bucket(victim.profile)
    settings = make_settings(victim.profile, there.profile, max_concurrent=2)
    plan = plan_transfer(there.address, target.address, settings=settings)
    killed: list[int] = []

    def kill_when_half_sent() -> None:
        deadline_s = time.monotonic() + 60
        uploads = Path(victim.data_dir) / "data" / ".minio.sys" / "multipart"
        while not (count_on_disk(victim.data_dir, target.bucket) and any(uploads.rglob("part.*"))):
            assert time.monotonic() < deadline_s, "no object was ever half-sent"
            time.sleep(0.005)
        os.kill(victim.pid, signal.SIGKILL)
        while victim.running:
            time.sleep(0.01)
        killed.append(count_on_disk(victim.data_dir, target.bucket))
        victim.start()

    killer = threading.Thread(target=kill_when_half_sent)
    killer.start()
    report = run_transfer(plan, settings=settings)
    killer.join()
    assert 0 < killed[0] < len(bodies)
    check_honest(report, relative_keys(plan), expected, target.contents())
    copy(there.address, target.address, settings).raise_for_failures()
    assert target.contents() == expected
    assert target.open_uploads(list(bodies)) == []


@pytest.mark.deep
@pytest.mark.timeout(400)
@pytest.mark.needs_debian("iproute2", program="ip", root=True)
class TestCluster:
    """Four nodes, four drives each; one node may go."""

    @pytest.fixture(scope="class")
    @staticmethod
    def cluster() -> Iterator[MinioCluster]:
        with MinioCluster() as cluster:
            yield cluster

    @pytest.mark.parametrize("kind", ["inside", "to it"])
    def test_one_of_four_nodes_killed_in_mid_copy(self, cluster, there, make_settings, kind):
        objects = small_objects(240)
        target = new_bucket(cluster.profile)
        source = new_bucket(cluster.profile) if kind == "inside" else there
        expected = source.fill(objects)
        settings = make_settings(cluster.profile, there.profile)
        arrived: list[int] = []

        def kill() -> None:
            cluster.kill(2)
            arrived.append(len(target.keys()))

        plan = plan_transfer(source.address, target.address, settings=settings)
        try:
            report = run_transfer(plan, settings=settings, observer=once(20, kill))
            assert 0 < arrived[0] < len(objects)
            check_honest(report, relative_keys(plan), expected, target.contents())
            copy(source.address, target.address, settings).raise_for_failures()
            assert target.contents() == expected
        finally:
            cluster.restart(2)
        assert target.contents() == expected
