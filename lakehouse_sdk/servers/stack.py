"""The servers that `lakehouse up` leaves running, until `lakehouse down`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lakehouse_sdk.config import LocalStack, forget_stack, remember_stack
from lakehouse_sdk.errors import ConflictError
from lakehouse_sdk.events import Observer, StageProgress, ignore_events
from lakehouse_sdk.servers.child import end_group
from lakehouse_sdk.servers.folders import explained, measure_bytes
from lakehouse_sdk.servers.layout import StackFolder
from lakehouse_sdk.servers.lock import locked
from lakehouse_sdk.servers.minio import MinioServer
from lakehouse_sdk.servers.ports import answers
from lakehouse_sdk.servers.prefect import PrefectServer
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.record import ServerRecord, find_record, write_record
from lakehouse_sdk.servers.seaweedfs import SeaweedServer

_HEARTBEAT_S = 2.0

ServerState = Literal["running", "not answering", "dead", "stopped"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server of a stack.

    Attributes:
        name: `MinIO`, `SeaweedFS` or `Prefect`.
        state: `running`; `not answering` (its process lives); `dead` (it ended by itself, or with the machine); `stopped`.
        url: Its address, None where its process does not live.
        pid: Its process, None where that does not live.
        owner_pid: The process that it will end with, None for one that `lakehouse up` left running.
        data_dir: Its folder.
        size_bytes: Bytes of all files in that folder.
    """

    name: str
    state: ServerState
    url: str | None
    pid: int | None
    owner_pid: int | None
    data_dir: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack's folder, and the servers that it has or had."""

    path: Path
    servers: tuple[ServerStatus, ...]

    @property
    def running(self) -> bool:
        """True while the process of one of its servers lives."""
        return any(server.pid is not None for server in self.servers)

    def to_dict(self) -> dict[str, Any]:
        """The same in plain values, for JSON."""
        servers = [{**asdict(server), "data_dir": str(server.data_dir)} for server in self.servers]
        return {"path": str(self.path), "running": self.running, "servers": servers}


def start_stack(
    path: Path | None = None,
    *,
    prefect: bool = False,
    s3: str = "auto",
    observer: Observer = ignore_events,
) -> LocalStack:
    """Start the servers of the stack in `path` and leave them running; from now on `connect()` without arguments finds them.

    Guarantee: idempotent; what runs stays as it is, what is missing or has died is started, on the same data, with the same
    credentials and, where it is still free, on the same port. After an error or Ctrl-C nothing runs that this call started.

    Args:
        path: Its folder, made when missing; None for `.lakehouse` in the current folder.
        prefect: True for a Prefect server too.
        s3: The setting `servers.s3`.
        observer: Told how build and start go.

    Raises:
        ConflictError: Another process, for example a notebook with `local(path)`, runs servers on that folder.
        LakehouseError: As `ServerProcess.start` and `ensure_minio`.
    """
    folder = StackFolder.here(path)
    folder.make()
    started: list[ServerProcess] = []
    with _alone(folder, observer):
        try:
            for server in folder.servers(prefect=prefect, s3=s3, observer=observer):
                if not _left_running(server.data_dir):
                    started.append(server.start())  # noqa: PERF401 (what runs must be known when the next one fails)
            for server in started:
                server.detach()
            stack = folder.describe()
            with explained(folder.path):
                remember_stack(stack)
        except BaseException:
            for server in reversed(started):
                server.stop()
                _end(server.data_dir)  # one that was detached already
            raise
    return stack


def stop_stack(path: Path | None = None, *, observer: Observer = ignore_events) -> tuple[str, ...]:
    """End the servers that `start_stack` left running in `path`, and nothing else; `connect()` no longer finds them.

    Guarantee: idempotent; the data stays.

    Args:
        path: Its folder; None for `.lakehouse` in the current folder where it is there, else the stack started last.
        observer: Told while another `lakehouse up` or `down` is at work on the same folder.

    Returns:
        Names of the servers that were ended.

    Raises:
        ConflictError: The servers belong to another process that still runs; they end with it.
        ServerError: One does not end.
    """
    folder = StackFolder.meant_by(path)
    ended: tuple[str, ...] = ()
    if folder.path.is_dir():
        with _alone(folder, observer):
            ended = tuple(kind.name for kind, data_dir in reversed(_kinds(folder)) if _end(data_dir))
    forget_stack(folder.path)
    return ended


def get_stack_status(path: Path | None = None) -> StackStatus:
    """What runs in the stack's folder; None for `.lakehouse` here if it is there, else the one started last."""
    folder = StackFolder.meant_by(path)
    return StackStatus(folder.path, tuple(_status(kind, data_dir) for kind, data_dir in _kinds(folder) if data_dir.is_dir()))


def _kinds(folder: StackFolder) -> list[tuple[type[ServerProcess], Path]]:
    return [(MinioServer, folder.minio), (SeaweedServer, folder.seaweedfs), (PrefectServer, folder.prefect)]


@contextlib.contextmanager
def _alone(folder: StackFolder, observer: Observer) -> Iterator[None]:
    """One `up` or `down` at a time in one folder; the other waits."""
    heard_s = -_HEARTBEAT_S

    def tell(waited_s: float) -> None:
        nonlocal heard_s
        if waited_s - heard_s >= _HEARTBEAT_S:
            heard_s = waited_s
            observer(StageProgress("start-stack", 0, note=f"another process starts or stops these servers, {waited_s:.0f} s"))

    with locked(folder.path / "stack.lock", tell):
        yield


def _left_running(data_dir: Path | None) -> bool:
    record = find_record(data_dir) if data_dir else None
    return record is not None and record.running and record.owner_pid is None


def _end(data_dir: Path | None) -> bool:
    """End what was left running on `data_dir`; returns True where something was."""
    record = find_record(data_dir) if data_dir else None
    if data_dir is None or record is None:
        return False
    if record.running and record.owner_pid is not None:
        raise ConflictError(
            f"The server in {data_dir} (process {record.pid}) belongs to process {record.owner_pid} and ends with it.",
            hint="Close it there, for example with `lake.close()` in the notebook.",
        )
    ended = end_group(record.pid, record.birth)
    write_record(data_dir, ServerRecord(0, "", record.port))  # the port is used again
    return ended


def _status(kind: type[ServerProcess], data_dir: Path) -> ServerStatus:
    record = find_record(data_dir)
    size_bytes = measure_bytes(data_dir)
    if record is None or not record.running:
        state: ServerState = "dead" if record is not None and record.pid else "stopped"
        return ServerStatus(kind.name, state, None, None, None, data_dir, size_bytes)
    state = "running" if answers(record.port, kind.health_path) else "not answering"
    return ServerStatus(kind.name, state, record.url, record.pid, record.owner_pid, data_dir, size_bytes)
