"""Local folders as an end: listing in key order, staging folders, publishing."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from lakehouse_sdk.errors import AccessError, CapacityError, NotFoundError
from lakehouse_sdk.transfer.context.staging import StagingFolder, publish_file
from lakehouse_sdk.transfer.plan.listing import list_folder


def write(root: Path, name: str, text: str = "x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class TestListing:
    def test_order_is_that_of_keys_not_of_folders(self, tmp_path):
        names = ["a!", "a-b", "a/b", "a/c/d", "a0", "é", "😀"]
        for name in names:
            write(tmp_path, name)
        entries = list(list_folder(str(tmp_path)))
        assert [entry.name for entry in entries] == names == sorted(names)
        assert entries[2].key == str(tmp_path / "a/b")
        assert entries[2].size_bytes == 1

    def test_links_and_special_files(self, tmp_path):
        write(tmp_path, "file")
        (tmp_path / "link").symlink_to(tmp_path / "file")
        (tmp_path / "broken").symlink_to(tmp_path / "nothing")
        (tmp_path / "up").symlink_to(tmp_path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "sock"))
            entries = {entry.name: entry.obstacle for entry in list_folder(str(tmp_path))}
        assert entries == {
            "file": "",
            "link": "",
            "broken": "a link to nothing",
            "up": "a link to a folder",
            "sock": "not a regular file",
        }

    def test_staging_folders_are_not_data(self, tmp_path):
        write(tmp_path, "file")
        with StagingFolder(tmp_path) as folder:
            Path(folder.new_path()).write_text("x")
            assert [entry.name for entry in list_folder(str(tmp_path))] == ["file"]

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(NotFoundError):
            list(list_folder(str(tmp_path / "no")))
        with pytest.raises(NotFoundError):
            list(list_folder(str(write(tmp_path, "file"))))

    def test_a_folder_that_cannot_be_read_is_no_empty_folder(self, tmp_path, monkeypatch):
        def deny(path):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "scandir", deny)
        with pytest.raises(AccessError, match="Permission denied"):
            list(list_folder(str(tmp_path)))

    def test_a_file_that_cannot_be_looked_at(self, tmp_path, monkeypatch):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(AccessError, match="loop"):
            list(list_folder(str(tmp_path)))


class TestStaging:
    def test_it_is_gone_afterwards_also_after_an_error(self, tmp_path):
        def use_and_fail():
            with StagingFolder(tmp_path / "new") as folder:
                Path(folder.new_path()).write_text("x")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            use_and_fail()
        assert list((tmp_path / "new").iterdir()) == []

    def test_paths_are_numbered_and_cleared(self, tmp_path):
        with StagingFolder(tmp_path) as folder:
            paths = [Path(folder.new_path()) for _ in range(3)]
            assert len(set(paths)) == 3
            paths[0].write_text("x")
            folder.clear()
            assert not paths[0].exists()

    def test_what_a_dead_process_left_is_removed_and_a_living_ones_folder_stays(self, tmp_path):
        living = StagingFolder(tmp_path).__enter__()
        dead = tmp_path / ".lakehouse-staging-dead"
        write(dead, "lock", "")
        write(dead, "00000001")
        unlocked = tmp_path / ".lakehouse-staging-starting"
        unlocked.mkdir()
        with StagingFolder(tmp_path):
            assert not dead.exists()
            assert unlocked.exists()
            assert Path(living.path).exists()
        living.__exit__(None, None, None)

    def test_a_full_disk_names_folder_and_free_bytes(self, tmp_path, monkeypatch):
        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("tempfile.mkdtemp", full)
        with pytest.raises(CapacityError, match=rf"{tmp_path}.* bytes are free"), StagingFolder(tmp_path):
            pass
        monkeypatch.setattr(shutil, "disk_usage", full)
        assert "is full" in str(StagingFolder(tmp_path).full(5))

    def test_other_errors_pass(self, tmp_path):
        with pytest.raises(OSError, match="Not a directory"), StagingFolder(write(tmp_path, "file") / "x"):
            pass


class TestPublish:
    def test_it_replaces_in_one_step_and_keeps_the_time(self, tmp_path):
        old, new = write(tmp_path, "old", "old"), write(tmp_path, "new", "new")
        publish_file(str(new), str(old), 1_700_000_000.5)
        assert old.read_text() == "new"
        assert old.stat().st_mtime == 1_700_000_000.5
        assert not new.exists()

    def test_across_file_systems(self, tmp_path, monkeypatch):
        replace = os.replace
        source = write(tmp_path, "from", "new")

        def refuse_once(a, b):
            if str(a) == str(source):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            replace(a, b)

        monkeypatch.setattr(os, "replace", refuse_once)
        target = tmp_path / "d" / "to"
        target.parent.mkdir()
        publish_file(str(source), str(target), None)
        assert (target.read_text(), source.exists(), [path.name for path in target.parent.iterdir()]) == ("new", False, ["to"])

    def test_nothing_is_left_when_that_fails(self, tmp_path, monkeypatch):
        def refuse(a, b):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "replace", refuse)
        source = write(tmp_path, "from", "new")
        with pytest.raises(OSError, match="cross-device"):
            publish_file(str(source), str(tmp_path / "to"), None)
        assert list(tmp_path.iterdir()) == [source]

    def test_other_errors_pass(self, tmp_path):
        (tmp_path / "to").mkdir()
        with pytest.raises(IsADirectoryError):
            publish_file(str(write(tmp_path, "from")), str(tmp_path / "to"), None)
