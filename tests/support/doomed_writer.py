"""Writers of tables in processes of their own, which are killed at the step that a test names."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile
from table_archives import DAY, check_klines, kline

from lakehouse_sdk.config import Settings
from lakehouse_sdk.tables import CheckedBatch, open_catalog

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["doomed_writer", "fault_trial"])  # all that is forked from it, here and there


def start_forkserver() -> None:
    """Start what writers are forked from, with our place on its path.

    It is told modules, and not our sys.path: without this it passes over them, and each writer imports everything anew.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), before)))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that a test speaks of; the same values give the same bytes.

    Attributes:
        symbol: Number of its symbol.
        day: Days after the first of March 2024; from 31 on it lies in another partition.
        revision: Which bytes: revision n has 2 + n good rows, and n % 2 bad ones.
    """

    symbol: int
    day: int
    revision: int

    def check(self) -> CheckedBatch:
        """Its rows, parsed and validated."""
        start = DAY + timedelta(days=self.day)
        lines = [kline(i, start) for i in range(2 + self.revision)] + ["bad"] * (self.revision % 2)
        return check_klines(lines, symbol=f"S{self.symbol}USDT", day=start)


@dataclass(slots=True)
class Writer:
    """One process that commits archives.

    Attributes:
        archives: What it commits, in one call.
        dies_at: Number of the step before which it is killed; 0: never. Steps are the beginning of each file and the end of
            each commit in the catalogue.
        killed: True where it was.
        steps: Steps that it took.
        attempts: Races for each table, 1 where it lost none; None where it was killed.
    """

    archives: Sequence[Archive]
    dies_at: int = 0
    killed: bool = False
    steps: int = 0
    attempts: dict[str, int] | None = None


def run_writers(settings: Settings, writers: Sequence[Writer]) -> None:
    """Let the writers commit at the same time, and note what became of each."""
    start_forkserver()
    plain = settings.model_dump(mode="json")
    access, secret = settings.storage.credentials()
    plain["storage"] |= {"access_key": access, "secret_key": secret}
    barrier = _CONTEXT.Barrier(len(writers))
    started = []
    for writer in writers:
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        steps = _CONTEXT.Value("i", 0, lock=False)  # a process that is killed would keep the lock
        process = _CONTEXT.Process(target=_write, args=(plain, list(writer.archives), writer.dies_at, barrier, steps, theirs))
        process.start()
        theirs.close()
        started.append((writer, process, steps, ours))
    for writer, process, steps, answer in started:
        process.join()
        writer.steps, writer.killed = steps.value, process.exitcode == -signal.SIGKILL
        assert writer.killed or process.exitcode == 0, f"a writer ended with {process.exitcode}"
        if not writer.killed:
            writer.attempts = answer.recv()
        answer.close()


def _write(plain: dict[str, Any], archives: list[Archive], dies_at: int, barrier: Any, steps: Any, answer: Any) -> None:
    settings = Settings.model_validate(plain)
    lock = threading.Lock()

    def step() -> None:
        with lock:
            if steps.value + 1 == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            steps.value += 1

    def before(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            step()
            return method(*args, **kwargs)

        return stepping

    def after(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            step()
            return result

        return stepping

    PyArrowFile.create = before(PyArrowFile.create)  # type: ignore[method-assign]
    SqlCatalog.commit_table = after(SqlCatalog.commit_table)  # type: ignore[method-assign]
    batches = [archive.check() for archive in archives]
    with open_catalog(settings) as catalog:
        barrier.wait()
        report = catalog.commit(batches)
    answer.send({table.table: table.attempts for table in report.tables})
