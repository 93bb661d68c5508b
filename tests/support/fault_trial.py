"""One trial of a transfer that suffers one fault at a random moment; all of it follows from a number."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from doomed_writer import start_forkserver
from transfer_witness import Place, new_bucket, open_witness, read_folder

from lakehouse_sdk.config import S3Profile, load_settings
from lakehouse_sdk.testing import Fault, FaultProxy
from lakehouse_sdk.transfer import plan_transfer, run_transfer

MIB = 1024**2
NAMES = ["a", "a b", "a+b", "100%", "%20", "e\u0301", "😀", "tab\tx", "new\nline", ".dot", "~", "q?x#y", "z'\"", "in/a",
         "in/deeper/b", "sp ace/c", "ü/d", "-dash"]  # fmt: skip
SIZES = [0, 1, 31, 5_000, 400_000, 2 * MIB, 5 * MIB + 1, 11 * MIB]
DIRECTIONS = ("inside", "between", "staged", "up", "down")
FAULTS = ("reset", "close", "busy", "stall", "kill", "interrupt")
HANGS_S = 300.0
"""Nothing here takes a minute; what is still running after five hangs."""
_CONTEXT = multiprocessing.get_context("forkserver")  # doomed_writer's: there is one in a process


@dataclass
class Trial:
    """What a number stands for.

    Attributes:
        seed: The number.
        direction: Between which ends.
        fault: What happens.
        delete: Whether what only the target has is to go.
        source: Bodies by name.
        before: What the target holds at first.
        early: True to strike at the first chance, because a later moment came after the end.
        landed: True where the fault struck before the run had ended.
        said_ok: What the run's report said; None where it gave none.
    """

    seed: int
    direction: str
    fault: str
    delete: bool
    source: dict[str, bytes]
    before: dict[str, bytes]
    early: bool = False
    landed: bool = False
    said_ok: bool | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def expected(self) -> dict[str, str]:
        """MD5 by name, when all is done."""
        return {**({} if self.delete else md5_of(self.before)), **md5_of(self.source)}


def md5_of(tree: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.md5(body).hexdigest() for name, body in tree.items()}


def make_trial(seed: int) -> Trial:
    rng = random.Random(seed)
    names = rng.sample(NAMES, rng.randint(2, 7))

    def make_body() -> bytes:
        size = rng.choice(SIZES)
        return (rng.randbytes(min(size, 4096)) * (-(-size // 4096) or 1))[:size]

    source = {name: make_body() for name in names}
    before = {name: make_body() for name in rng.sample(names, rng.randint(0, len(names) // 2))}
    before |= {name: source[name] for name in rng.sample(names, rng.randint(0, 1))}
    before |= {f"only there {number}": b"stranger" for number in range(rng.randint(0, 2))}
    return Trial(seed, rng.choice(DIRECTIONS), rng.choice(FAULTS), rng.random() < 0.4, source, before)


def run_trial(trial: Trial, near: S3Profile, far: S3Profile, folder: Path) -> None:
    """Carry it out and look at what is left, by a client that is not ours; raises AssertionError where a promise is broken."""
    rng = random.Random(trial.seed + 1)
    local = folder / "local"
    local.mkdir(parents=True)
    home = far if trial.direction in {"between", "staged"} else near
    source_place, target_place = new_bucket(near), new_bucket(home, "other" if home is far else "")
    if trial.direction == "down":
        _write(local / "to", trial.before, time.time() - 3600)
    else:
        target_place.fill(trial.before)
    if trial.direction == "up":
        _write(local / "from", trial.source, time.time() + 3600)
    else:
        source_place.fill(trial.source)

    def look() -> dict[str, str]:
        found = read_folder(local / "to") if trial.direction == "down" else target_place.contents()
        return {name: md5 for name, md5 in found.items() if not name.startswith(".lakehouse-staging-")}

    with FaultProxy(near.resolved_endpoint_url) as before_near, FaultProxy(far.resolved_endpoint_url) as before_far:
        plain = {
            "storage": _clear(before_near.profile(near)),
            "profiles": {"other": _clear(before_far.profile(far))},
            "transfer": {
                "part_size_mib": 5,
                "single_copy_max_bytes": 5 * MIB,
                "s5cmd_min_bytes": rng.choice([MIB, 10**9]),
                "max_concurrent": rng.choice([1, 2, 8]),
                "max_delete_percent": 100,
                "staging_dir": str(folder / "staging"),
            },
        }
        ends = {
            "up": (str(local / "from"), target_place.address),
            "down": (source_place.address, str(local / "to")),
        }.get(trial.direction, (source_place.address, target_place.address))
        call = (plain, *ends, "staged" if trial.direction == "staged" else "auto", trial.delete, str(folder / "cache"))
        proxies = [before_far, before_near] if home is far else [before_near]
        _suffer(trial, rng, call, proxies)
        found, old, new = look(), md5_of(trial.before), md5_of(trial.source)
        for name in {*found, *old, *new}:
            allowed = {old.get(name), new.get(name)} if name in new else {old[name], None} if trial.delete else {old[name]}
            if name in old and name in new:
                allowed.discard(None)
            assert found.get(name) in allowed, f"{name!r} is neither the old nor the new one"
        if trial.said_ok:
            assert found == trial.expected, "the report said ok"
        for proxy in proxies:
            proxy.script = None
        assert (said := _call(call)) == "ok", f"the same call did not finish: {said}"
        assert look() == trial.expected, "the second call said ok"
    if trial.direction == "down":
        assert read_folder(local / "to") == trial.expected, "hidden files are left"
    else:
        assert target_place.open_uploads([*trial.source, *trial.before]) == [], "open uploads are left"
        keys = target_place.keys()
        assert not [key for key in keys if key.startswith("_incoming/")], "objects are left"
    assert [path for path in folder.rglob("*") if path.is_file() and "local" not in path.parts] == [], "files are left"
    for place in (source_place, target_place):
        _drop(place)


def _suffer(trial: Trial, rng: random.Random, call: tuple[Any, ...], proxies: list[FaultProxy]) -> None:
    """The call, in a process of its own, and the fault in it."""
    start_forkserver()
    number, moment = (0, 0.0) if trial.early else (rng.choice([0, 1, 1, 2, 2, 3, 5]), rng.random())
    for proxy in proxies:
        if trial.fault in {"reset", "close", "stall", "busy"}:
            faults = [
                Fault(
                    end=trial.fault,
                    after_bytes=int(rng.random() ** 4 * (2000 if trial.early else 6 * MIB)) + 1,
                    direction=direction,
                )  # type: ignore[arg-type]
                for direction in ("answers", "requests")
            ]
            burst = rng.randint(1, 4)
            chosen = rng.choice(faults)
            proxy.script = lambda at, chosen=chosen, burst=burst: chosen if number <= at < number + burst else None  # type: ignore[misc]
        else:
            proxy.script = Fault(latency_s=0.002)
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_run, args=(theirs, *call))
    process.start()
    theirs.close()
    if trial.fault in {"kill", "interrupt"}:
        strike = signal.SIGKILL if trial.fault == "kill" else signal.SIGINT
        _strike(process, ours, strike, number, moment**2 * 0.2, proxies)
    process.join(HANGS_S)
    if process.is_alive():
        process.kill()
        raise AssertionError("the run hangs")
    answer = _receive(ours)
    ours.close()
    trial.said_ok = answer == "ok" if answer.startswith(("ok", "not ok")) else None
    trial.landed = any(proxy.ended for proxy in proxies) or process.exitcode == -signal.SIGKILL or answer == "interrupted"


def _strike(
    process: Any, ours: Connection, strike: signal.Signals, number: int, delay_s: float, proxies: list[FaultProxy]
) -> None:
    """Signal the process once so many connections were made, and wait for the s5cmd that it leaves behind."""
    while process.is_alive() and sum(proxy.connections for proxy in proxies) < number + 2 and not ours.poll():
        time.sleep(0.002)
    process.join(delay_s)
    children: list[psutil.Process] = []
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, strike)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return
    process.join(HANGS_S)
    psutil.wait_procs(children, timeout=60)


def _call(call: tuple[Any, ...]) -> str:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_run, args=(theirs, *call))
    process.start()
    theirs.close()
    process.join(HANGS_S)
    assert not process.is_alive(), "the second call hangs"
    return _receive(ours) or f"ended with {process.exitcode}"


def _receive(ours: Connection) -> str:
    """What the process said before it ended; empty where it could not."""
    try:
        return str(ours.recv()) if ours.poll() else ""
    except EOFError:
        return ""


def _run(answer: Connection, plain: dict[str, Any], source: str, target: str, strategy: str, delete: bool, cache: str) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    settings = load_settings(**plain)
    try:
        plan = plan_transfer(source, target, settings=settings, delete=delete)
        report = run_transfer(plan, settings=settings, strategy=strategy)  # type: ignore[arg-type]
        answer.send("ok" if report.ok else f"not ok: {[item.reason for item in report.failures]}")
    except KeyboardInterrupt:
        answer.send("interrupted")
    except Exception as error:  # noqa: BLE001 (any end but a hang is an end)
        answer.send(f"{type(error).__name__}: {error}")
    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in left:
        thread.join(30)


def _clear(profile: S3Profile) -> dict[str, Any]:
    access_key, secret_key = profile.credentials()
    keys = {"access_key": str(access_key), "secret_key": str(secret_key)}
    return {"endpoint_url": profile.endpoint_url, **keys, "read_timeout_s": 2.0}


def _write(folder: Path, tree: dict[str, bytes], changed_s: float) -> None:
    folder.mkdir(exist_ok=True)
    for name, body in tree.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        os.utime(file, (changed_s, changed_s))


def _drop(place: Place) -> None:
    witness = open_witness(place.profile)
    keys = place.keys()
    for key in keys:
        witness.delete_object(Bucket=place.bucket, Key=key)
    witness.delete_bucket(Bucket=place.bucket)
