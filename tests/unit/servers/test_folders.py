"""What goes wrong with a folder is told in words that name it and the next step."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lakehouse_sdk.errors import AccessError, CapacityError, ConflictError, LakehouseError, ServerError
from lakehouse_sdk.servers.folders import explained, measure_bytes, read_tail


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, CapacityError),
        (errno.EDQUOT, CapacityError),
        (errno.EACCES, AccessError),
        (errno.EPERM, AccessError),
        (errno.EROFS, AccessError),
        (errno.ENOTDIR, ServerError),
    ],
)
def test_an_error_of_the_system_names_the_folder_and_what_to_do(number: int, expected: type[LakehouseError]) -> None:
    with pytest.raises(expected, match="/some/folder") as caught, explained(Path("/some/folder")):
        raise OSError(number, "as the system says it")
    assert caught.value.hint


def test_our_own_errors_pass_unchanged_although_some_are_os_errors() -> None:
    original = ConflictError("already there")
    with pytest.raises(ConflictError) as caught, explained(Path("/some/folder")):
        raise original
    assert caught.value is original


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="file/below"), explained(tmp_path / "file/below"):
        (tmp_path / "file/below").mkdir()


def test_bytes_of_a_folder_are_those_of_its_files_at_every_depth(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(b"x" * 1000)
    (tmp_path / "a/b/two").write_bytes(b"x" * 24)
    (tmp_path / "a/dangling").symlink_to("nowhere")
    assert measure_bytes(tmp_path) == 1024 + len("nowhere")
    assert measure_bytes(tmp_path / "missing") == 0


def test_the_tail_is_the_last_lines_and_reading_it_never_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert not read_tail(log)
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(10_000)) + b"not utf-8: \xff")
    assert read_tail(log, lines=2) == "line 9999\nnot utf-8: \ufffd"
