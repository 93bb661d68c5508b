"""What a data folder says about the server that runs on it, and how a process is recognised again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_FILE_NAME = "server.json"


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The server that was last started on a data folder; `running` says whether it still is.

    Attributes:
        pid: Its process id, also the id of its process group.
        birth: When that process was born, as `find_birth` spells it: a process id alone is reused after a while.
        port: Port on 127.0.0.1.
        owner_pid: The process that it is tied to, None for one that outlives its starter.
    """

    pid: int
    birth: str
    port: int
    owner_pid: int | None = None

    @property
    def running(self) -> bool:
        """True while the very process of this record lives."""
        return find_birth(self.pid) == self.birth

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def find_birth(pid: int) -> str | None:
    """A text that no other process with this id has, over restarts of the machine too; None where it does not run.

    On Linux it is the boot's id and the clock tick of the start: unlike a time of day, neither moves when the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return _find_birth_elsewhere(pid)
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _find_birth_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def find_record(data_dir: Path) -> ServerRecord | None:
    """The record in `data_dir`; None where there is none, or none that can be read (a write was cut off, long ago)."""
    try:
        return ServerRecord(**json.loads((data_dir / _FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(data_dir: Path, record: ServerRecord) -> None:
    """Replace the record in `data_dir`, atomically, readable by its owner only."""
    write_private(data_dir / _FILE_NAME, json.dumps(asdict(record)))


def write_private(file: Path, text: str) -> None:
    """Write `file` atomically with mode 0600."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    scratch.replace(file)
