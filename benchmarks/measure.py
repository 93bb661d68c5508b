"""What a process costs: wall time, CPU time, memory of it and all that it starts. Linux only: it reads /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost.

    Attributes:
        wall_s: From its start to its end.
        cpu_s: User and system time of it and the processes that it waited for.
        peak_bytes: Largest sum of resident memory of it and its descendants, sampled; what they share counts more than once.
        output: Its standard output.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: str


def run(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, timeout_s: float = 1800) -> Cost:
    """Run a command to its end and measure it.

    Raises:
        RuntimeError: It failed or took too long; with the end of what it said.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        sampler = _Sampler(process.pid)
        timer = threading.Timer(timeout_s, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            wall_s = time.perf_counter() - began_s
            timer.cancel()
            peak_bytes = sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        said = output.read().decode(errors="replace")
        if process.returncode != 0:
            tail = (said + errors.read().decode(errors="replace"))[-2000:]
            raise RuntimeError(f"{Path(command[0]).name} ended with {process.returncode}: {tail}")
    # ru_maxrss is of no use: it counts what the process was before its exec, a fork of this one.
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, peak_bytes, said)


class _Sampler:
    """Adds up the memory of a process tree until it is stopped; cheap enough not to disturb what it measures."""

    def __init__(self, pid: int) -> None:
        self._family = {pid}
        self._seen = {pid}
        self._newborn: set[int] = set()
        self._peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self._peak_bytes

    def _watch(self) -> None:
        while not self._stop.wait(_TICK_S):
            self._adopt()
            self._peak_bytes = max(self._peak_bytes, sum(map(_resident_bytes, self._family)))

    def _adopt(self) -> None:
        """Each process is looked at once; a child has a later number than its parent, but for a wrap-around."""
        new = sorted(pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) not in self._seen)
        self._seen.update(new)
        self._family |= self._newborn  # one tick late: between fork and exec a child shows its parent's memory
        self._newborn = set()
        for pid in new:
            if _parent(pid) in self._family | self._newborn:
                self._newborn.add(pid)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
