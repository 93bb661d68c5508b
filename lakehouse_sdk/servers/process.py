"""What every embedded server has in common: a data folder, a port, a start that ends in a healthy server or in an error."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from lakehouse_sdk.errors import CapacityError, ConflictError, LakehouseError, ServerError, UsageError
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted, ignore_events
from lakehouse_sdk.servers.child import Child
from lakehouse_sdk.servers.folders import explained, read_tail
from lakehouse_sdk.servers.lock import find_lock
from lakehouse_sdk.servers.ports import LOOPBACK, answers, choose_port, is_free, listens
from lakehouse_sdk.servers.record import ServerRecord, find_record, write_record

_PORT_ATTEMPTS = 5
_HEARTBEAT_S = 2.0
_DYING_S = 5.0
_NO_ROOM = re.compile(r"no space left|path is full|drive.* full|disk is full", re.IGNORECASE)


class _PortTakenError(Exception):
    """Somebody else was quicker; choose another port."""


_NEEDED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")


def needed_environment() -> dict[str, str]:
    """What of this process' environment a server may see: no key, token or address of anything else."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


class ServerProcess(ABC):
    """One server on 127.0.0.1 with a data folder of its own; a context manager.

    Guarantees: `start` returns when the server answers its health probe, and raises with the tail of its log otherwise. The
    server ends with this process, also by kill -9, unless it is detached. A data folder serves one running server at a time. No
    process is ever ended that this object did not start.

    Args:
        data_dir: Its folder, made when missing; None for a temporary one that is removed at the end.
        port: Port to listen on; None for the one that this folder used last, if it is free, else any free one.
        observer: Told how the start goes.
        remove: A folder to remove at the end: `data_dir` itself, or a temporary one that it is in.
    """

    name: ClassVar[str]
    """What it is called in messages, `MinIO`."""
    start_timeout_s: ClassVar[float] = 60.0
    """Seconds until a start has failed; generous, because a loaded machine is slow and a dead server is noticed at once."""
    stop_grace_s: ClassVar[float] = 10.0
    health_path: ClassVar[str]
    """Answers 200 as soon as the server can do its work."""

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int | None = None,
        observer: Observer = ignore_events,
        remove: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute() if data_dir is not None else None
        self._wanted_port = port
        self._observer = observer
        self._remove = remove
        self._temporary = False
        self._maker_pid = os.getpid()
        self._child: Child | None = None
        self._port = 0

    @abstractmethod
    def _prepare(self) -> None:
        """Lay out the data folder before the first try to start."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """Program and arguments."""

    @abstractmethod
    def _environment(self, port: int) -> Mapping[str, str]:
        """The server's whole environment."""

    def _is_port_conflict(self, log: str) -> bool:  # noqa: ARG002 (a hook)
        """True where the end of the log says that another of its ports was taken."""
        return False

    def _redact(self, text: str) -> str:
        """`text` without secrets."""
        return text

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = f"at {self.url}, process {self._child.pid}" if self.running and self._child else "not running"
        return f"<{type(self).__name__} {self.data_dir or 'in a temporary folder'}, {state}>"

    @property
    def running(self) -> bool:
        """True while the server that this object started lives."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; raises `UsageError` before the start."""
        return self._started().pid

    @property
    def url(self) -> str:
        """Its address, `http://127.0.0.1:port`; raises `UsageError` before the start."""
        self._started()
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def log_file(self) -> Path:
        """Its log; the one of the start before is kept beside it with the suffix `.previous`."""
        return self._folder / f"{self.name.lower()}.log"

    @property
    def _folder(self) -> Path:
        if self.data_dir is None:
            raise UsageError(f"{self.name} has no folder before its start.", hint="Give it a data_dir, or call start() first.")
        return self.data_dir

    def _started(self) -> Child:
        if self._child is None:
            raise UsageError(f"{self.name} is not running.", hint="Call start(), or use it in a `with` statement.")
        return self._child

    def start(self) -> Self:
        """Start the server and wait until it is healthy; does nothing where it runs already.

        Raises:
            ConflictError: Another running server uses the data folder, or the wanted port is taken.
            AccessError: The data folder cannot be written.
            CapacityError: The disk is full.
            ServerError: The server did not come up; the message ends with the tail of its log.
        """
        if self.running:
            return self
        self.stop()  # clears what a dead one left
        began = time.monotonic()
        folder = self._make_folder()
        self._observer(StageStarted(self._stage, f"{self.name} in {folder}"))
        try:
            lock = self._lock_folder(folder)
            try:
                with explained(folder):
                    self._prepare()
                self._launch(folder, lock)
            finally:
                os.close(lock)
        except BaseException:
            self._observer(StageFinished(self._stage, time.monotonic() - began, f"{self.name} did not start", ok=False))
            self.stop()
            raise
        self._observer(StageFinished(self._stage, time.monotonic() - began, f"{self.name} at {self.url}"))
        return self

    def stop(self) -> None:
        """End the server and remove its folder if that is temporary; returns when it is gone. Idempotent.

        In a fork of the process that made this object, does nothing: the server belongs to the original.
        """
        if os.getpid() != self._maker_pid:
            return
        child, self._child = self._child, None
        if child is not None:
            child.stop()
        if self._temporary and self.data_dir is not None:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            self.data_dir, self._temporary = None, False

    def detach(self) -> ServerRecord:
        """Let the server outlive this process; its folder's record says how it is found and ended again."""
        child = self._started()
        if self.data_dir is None or self._temporary or child.birth is None:
            raise UsageError(f"{self.name} in a temporary folder cannot outlive its process.", hint="Give it a data_dir.")
        record = ServerRecord(child.pid, child.birth, self._port)
        write_record(self.data_dir, record)
        child.release()
        self._child = None
        return record

    @property
    def _stage(self) -> str:
        return f"start-{self.name.lower()}"

    def _make_folder(self) -> Path:
        if self.data_dir is None:
            self.data_dir = Path(tempfile.mkdtemp(prefix=f"lakehouse-{self.name.lower()}-"))
            self._temporary = True
        with explained(self.data_dir):
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.data_dir

    def _lock_folder(self, folder: Path) -> int:
        deadline = time.monotonic() + _DYING_S
        while (lock := find_lock(folder / "server.lock")) is None:
            record = find_record(folder)
            alive = record is not None and record.running
            if alive or time.monotonic() > deadline:
                user = f" at {record.url} (process {record.pid})" if record and alive else ""
                raise ConflictError(
                    f"The data folder {folder} is in use by a running {self.name}{user}.",
                    hint="Use that one, stop it first, or choose another folder.",
                )
            time.sleep(0.05)  # the threads of a killed server outlive its main thread for a moment
        return lock

    def _launch(self, folder: Path, lock: int) -> None:
        for port in self._candidate_ports(folder):
            with explained(folder), contextlib.suppress(FileNotFoundError):
                self.log_file.replace(self.log_file.with_suffix(".log.previous"))
            self._child = Child(
                self._command(port),
                env=self._environment(port),
                log_file=self.log_file,
                cwd=folder,
                grace_s=self.stop_grace_s,
                hold=(lock,),
                remove=self._remove or (folder if self._temporary else None),
            )
            try:
                self._await_health(self._child, port)
            except _PortTakenError:
                self._child.stop()
                continue
            self._port = port
            if self._child.birth is not None:
                write_record(folder, ServerRecord(self._child.pid, self._child.birth, port, owner_pid=os.getpid()))
            return
        if self._wanted_port is not None:
            raise ConflictError(
                f"Port {self._wanted_port} on {LOOPBACK} is in use, so {self.name} cannot listen there.",
                hint="End what uses it, choose another port, or leave the port out.",
            )
        raise ServerError(
            f"{self.name} found no free port on {LOOPBACK} in {_PORT_ATTEMPTS} tries.",
            hint="Try again when the machine is calmer.",
        )

    def _candidate_ports(self, folder: Path) -> Iterator[int]:
        if self._wanted_port is not None:
            if is_free(self._wanted_port):
                yield self._wanted_port
            return
        record = find_record(folder)
        if record is not None and is_free(record.port):
            yield record.port  # addresses noted in notebooks stay valid
        for _ in range(_PORT_ATTEMPTS):
            yield choose_port()

    def _await_health(self, child: Child, port: int) -> None:
        began = heard = time.monotonic()
        pause_s = 0.02
        while (waited_s := time.monotonic() - began) < self.start_timeout_s:
            if child.poll() is not None:
                if not is_free(port) or self._is_port_conflict(read_tail(self.log_file)):
                    raise _PortTakenError
                raise self._failure(f"ended during its start (exit code {child.poll()})")
            if answers(port, self.health_path):
                if listens(child.pid, port):
                    return
                raise _PortTakenError  # a stranger answers there, ours is about to find out
            if time.monotonic() - heard >= _HEARTBEAT_S:
                heard = time.monotonic()
                self._observer(StageProgress(self._stage, 0, note=f"waiting for it to answer, {waited_s:.0f} s"))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.25)
        raise self._failure(f"did not answer on port {port} within {self.start_timeout_s:.0f} s")

    def _failure(self, what: str) -> LakehouseError:
        tail = self._redact(read_tail(self.log_file))
        place = "Its log" if self._temporary else f"Its log {self.log_file}"  # a temporary folder is about to go
        message = f"{self.name} in {self.data_dir} {what}. {place} ends with:\n{tail or '(it is empty)'}\n"
        if _NO_ROOM.search(tail):
            return CapacityError(message, hint="The disk is full: free space, or choose a folder on another disk.")
        return ServerError(message, hint="If the log does not help, start again with a fresh data folder.")
