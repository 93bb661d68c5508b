"""The note in a data folder, and recognising a process again."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psutil
import pytest

from lakehouse_sdk.servers import record
from lakehouse_sdk.servers.record import ServerRecord, find_birth, find_record, write_record


def test_a_record_survives_the_disk_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    written = ServerRecord(42, "boot:1", 9000, owner_pid=7)
    write_record(tmp_path, written)
    assert find_record(tmp_path) == written
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["server.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "birth": "b", "port": 1, "more": 2}', "\udcff"])
def test_a_damaged_record_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(text, errors="surrogateescape")
    assert find_record(tmp_path) is None


def test_no_record_is_none(tmp_path: Path) -> None:
    assert find_record(tmp_path) is None


def test_a_process_is_recognised_by_its_birth_and_not_by_its_id_alone() -> None:
    birth = find_birth(os.getpid())
    assert birth is not None
    assert birth == find_birth(os.getpid())
    assert ServerRecord(os.getpid(), birth, 9000).running
    assert not ServerRecord(os.getpid(), "another boot:17", 9000).running


def test_nobody_has_an_id_beyond_the_last() -> None:
    assert find_birth(2**31 - 1) is None


def test_without_proc_the_birth_is_the_time_of_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""

    class NoProc(type(Path())):  # type: ignore[misc]
        def read_text(self, *args: object, **options: object) -> str:
            raise FileNotFoundError(self)

    monkeypatch.setattr(record, "Path", NoProc)
    assert find_birth(os.getpid()) == f"{psutil.Process().create_time():.2f}"
    assert find_birth(2**31 - 1) is None
