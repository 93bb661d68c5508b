"""Connections that are reset, cut or slow, and a server whose clock is ahead: what arrives is whole, and the report is true."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from transfer_witness import MIB, check_honest, copy, read_folder, relative_keys

from lakehouse_sdk.testing import Fault, FaultProxy
from lakehouse_sdk.transfer import Status, plan_transfer, run_transfer


def bodies() -> dict[str, bytes]:
    small = {f"small/{i:03}": hashlib.sha256(str(i).encode()).digest() * 300 for i in range(60)}
    return {**small, "empty": b"", **{f"large{i}": os.urandom(MIB) * 12 for i in range(2)}}


FAULTS = {
    "reset while reading": Fault(end="reset", after_bytes=70_000),
    "cut while reading": Fault(end="close", after_bytes=90_000),
    "reset while writing": Fault(end="reset", after_bytes=70_000, direction="requests"),
    "cut while writing": Fault(end="close", after_bytes=90_000, direction="requests"),
    "at once": Fault(end="reset", after_bytes=1),
    "slow": Fault(latency_s=0.005, bytes_per_s=3_000_000),
}


def every_other(fault: Fault) -> Callable[[int], Fault | None]:
    """A network that works half of the time: one that never does is no network."""
    return lambda number: fault if number % 2 == 0 else None


def write_folder(folder: Path, objects: dict[str, bytes]) -> dict[str, str]:
    for key, body in objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(body)
    return read_folder(folder)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", ["upload", "download", "inside", "to another server", "from another server"])
def test_bad_connections(here, there, make_settings, tmp_path, kind, name):
    fault = FAULTS[name]
    if "inside" in kind and fault.after_bytes > 1:
        fault = Fault(end=fault.end, after_bytes=1_500, direction=fault.direction)  # only questions and answers pass
    with FaultProxy(here.profile.endpoint_url) as proxy:
        near = make_settings(proxy.profile(here.profile), there.profile)
        if kind == "upload":
            source, target = tmp_path / "up", here.address
            expected = write_folder(source, bodies())
        elif kind == "to another server":
            source, target = here.address, there.address
            expected = here.fill(bodies())
        elif kind == "from another server":
            source, target = there.address, here.address
            expected = there.fill(bodies())
        else:
            source, target = here.address, tmp_path / "down"
            expected = here.fill(bodies())
            if kind == "inside":
                target = f"{here.address}/copy"
                source = f"{here.address}/small"
                expected = {key.removeprefix("small/"): md5 for key, md5 in expected.items() if key.startswith("small/")}

        def found() -> dict[str, str]:
            if isinstance(target, Path):
                return read_folder(target)
            seen = (there if target == there.address else here).contents()
            if kind == "inside":
                return {key.removeprefix("copy/"): md5 for key, md5 in seen.items() if key.startswith("copy/")}
            return seen

        plan = plan_transfer(source, target, settings=near)
        proxy.cut_all()
        proxy.script = every_other(fault)
        report = run_transfer(plan, settings=near)
        assert bool(proxy.ended) == (fault.end is not None and _passes(kind, fault))
        check_honest(report, relative_keys(plan), expected, found())
        proxy.script = None
        copy(source, target, near).raise_for_failures()
        assert found() == expected
        assert not list((tmp_path / "staging").glob("*"))


def test_parts_that_fail_for_good_give_their_memory_back(here, there, make_settings):
    """More of them than memory holds: were it lost with them, the run would wait for it for ever."""
    expected = here.fill({f"large{i}": bytes([i]) * (12 * MIB) for i in range(6)})
    with FaultProxy(here.profile.endpoint_url) as proxy:
        near = make_settings(proxy.profile(here.profile), there.profile, stream_memory_mib=16, max_attempts=1)
        plan = plan_transfer(here.address, there.address, settings=near)
        proxy.cut_all()
        proxy.script = Fault(end="close", after_bytes=100_000)
        report = run_transfer(plan, settings=near, strategy="streaming")
    assert report.count(Status.FAILED) == len(expected)
    assert there.contents() == {}


def _passes(kind: str, fault: Fault) -> bool:
    """Whether so many bytes pass that way at all."""
    if fault.after_bytes <= 1 or kind == "inside":
        return True
    reads = kind in {"download", "to another server"}
    return reads == (fault.direction == "answers")


@pytest.mark.parametrize("kind", ["download", "inside", "to another server"])
def test_a_server_whose_clock_is_ahead_hides_nothing(here, there, make_settings, tmp_path, kind):
    """s5cmd, left to list by itself, leaves out every object that is younger than its own clock, and says nothing."""
    objects = {f"k{i:03}": f"content {i}".encode() for i in range(50)}
    expected = here.fill({f"from/{key}": body for key, body in objects.items()})
    expected = {key.removeprefix("from/"): md5 for key, md5 in expected.items()}
    with FaultProxy(here.profile.endpoint_url, ahead=timedelta(minutes=10)) as proxy:
        settings = make_settings(proxy.profile(here.profile), there.profile)
        target = {"download": tmp_path / "down", "inside": f"{here.address}/to", "to another server": there.address}[kind]
        copy(f"{here.address}/from", target, settings).raise_for_failures()
        if kind == "download":
            found = read_folder(tmp_path / "down")
        elif kind == "inside":
            found = {key.removeprefix("to/"): md5 for key, md5 in here.contents().items() if key.startswith("to/")}
        else:
            found = there.contents()
        assert found == expected
        assert plan_transfer(f"{here.address}/from", target, settings=settings).totals.copy_objects == 0
