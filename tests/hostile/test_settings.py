"""A settings file that a stranger planted is not obeyed, and it is said which one and why."""

from __future__ import annotations

import grp
import os
import pwd
import warnings
from pathlib import Path

import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.config.masking import MASK, mask_password
from lakehouse_sdk.config.trust import SkippedSettingsWarning, find_distrust
from lakehouse_sdk.errors import ConfigurationError

FILES = {
    "lakehouse.toml": '[storage]\nendpoint_url = "http://evil.example.com"\n',
    ".env": "LAKEHOUSE_STORAGE__ENDPOINT_URL=http://evil.example.com\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ours, in which the work is done two levels below."""
    place = tmp_path / "ours"
    (place / "work/here").mkdir(parents=True)
    monkeypatch.chdir(place / "work/here")
    return place


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the path belong to somebody else, or us be somebody else where only root may do that."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)


@pytest.mark.parametrize("name", FILES)
class TestPlanted:
    def endpoint(self) -> str | None:
        return load_settings().storage.endpoint_url

    def test_our_own_is_read_without_a_word(self, folder: Path, name: str) -> None:
        (folder / name).write_text(FILES[name])
        assert self.endpoint() == "http://evil.example.com"

    def test_one_of_somebody_else_is_not(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / name).write_text(FILES[name])
        give_away(folder / name, monkeypatch)
        with pytest.warns(SkippedSettingsWarning, match="belongs to user") as told:
            assert self.endpoint() is None
        assert str(folder / name) in str(told[0].message)

    @pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
    def test_one_that_others_can_write_is_not(self, folder: Path, name: str, mode: int) -> None:
        (folder / name).write_text(FILES[name])
        (folder / name).chmod(mode)
        with pytest.warns(SkippedSettingsWarning, match="others can write it"):
            assert self.endpoint() is None

    @pytest.mark.parametrize("members", [[], ["somebody-else"]], ids=["primary-of-many", "listed"])
    def test_one_that_a_group_of_several_can_write_is_not(
        self, folder: Path, name: str, members: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A user's first group may be everybody's (`users`, `staff`): being in it ourselves says nothing of the others."""
        user, gid = pwd.getpwuid(os.geteuid()), 4_711
        group = grp.struct_group((user.pw_name if members else "users", "x", gid, members))
        monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd((*user[:3], gid, *user[4:])))
        monkeypatch.setattr(grp, "getgrgid", lambda _: group)
        monkeypatch.setattr(os, "getegid", lambda: gid)
        (folder / name).write_text(FILES[name])
        os.chown(folder / name, -1, gid if os.geteuid() == 0 else os.getgid())
        (folder / name).chmod(0o664)
        with pytest.warns(SkippedSettingsWarning, match="others can write it"):
            assert self.endpoint() is None

    def test_one_that_only_our_own_group_can_write_is_read(
        self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with a umask of 002, where each user has a group of their own."""
        user, gid = pwd.getpwuid(os.geteuid()), 4_711 if os.geteuid() == 0 else os.getgid()
        monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd((*user[:3], gid, *user[4:])))
        monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((user.pw_name, "x", gid, [])))
        (folder / name).write_text(FILES[name])
        os.chown(folder / name, -1, gid)
        (folder / name).chmod(0o664)
        assert self.endpoint() == "http://evil.example.com"

    @pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703])
    def test_one_in_a_folder_that_others_can_write_is_not(self, folder: Path, name: str, mode: int) -> None:
        (folder / name).write_text(FILES[name])
        folder.chmod(mode)
        with pytest.warns(SkippedSettingsWarning, match="others can write into"):
            assert self.endpoint() is None

    def test_a_link_of_somebody_else_to_our_file_is_not(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "mine").write_text(FILES[name])
        (folder / name).symlink_to(folder / "mine")
        give_away(folder / name, monkeypatch)
        with pytest.warns(SkippedSettingsWarning):
            assert self.endpoint() is None

    def test_a_link_of_ours_into_an_open_folder_is_not(self, folder: Path, name: str) -> None:
        (folder / "open").mkdir()
        (folder / "open/file").write_text(FILES[name])
        (folder / "open").chmod(0o777)
        (folder / name).symlink_to(folder / "open/file")
        with pytest.warns(SkippedSettingsWarning):
            assert self.endpoint() is None

    def test_the_next_one_above_is_found_behind_it(self, folder: Path, name: str) -> None:
        (folder / name).write_text(FILES[name].replace("evil", "good"))
        (folder / "work" / name).write_text(FILES[name])
        (folder / "work" / name).chmod(0o666)
        with pytest.warns(SkippedSettingsWarning):
            assert self.endpoint() == "http://good.example.com"

    def test_no_program_is_started_because_of_it(self, folder: Path, name: str) -> None:
        program = {"lakehouse.toml": '[servers]\ns3 = "/tmp/weed"\n', ".env": "LAKEHOUSE_SERVERS__S3=/tmp/weed\n"}[name]
        (folder / name).write_text(program)
        with pytest.raises(ConfigurationError, match="starts no program") as caught:
            load_settings()
        assert str(folder / name) in str(caught.value)


def test_one_that_is_named_is_read(folder: Path) -> None:
    (folder / "mine.toml").write_text(FILES["lakehouse.toml"])
    (folder / "mine.toml").chmod(0o666)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_settings(config_file=folder / "mine.toml").storage.endpoint_url == "http://evil.example.com"


def test_a_folder_above_may_be_open_where_each_keeps_what_is_theirs(folder: Path) -> None:
    (folder / "work/lakehouse.toml").write_text(FILES["lakehouse.toml"])
    folder.chmod(0o1777)
    assert find_distrust(folder / "work/lakehouse.toml") == ""
    folder.chmod(0o777)
    assert "others can write into" in find_distrust(folder / "work/lakehouse.toml")


def test_a_working_folder_that_was_deleted_is_no_crash(folder: Path) -> None:
    here = Path.cwd()
    here.rmdir()
    assert load_settings().storage.endpoint_url is None
    here.mkdir()


@pytest.mark.parametrize("password", ["simple", "a/b", "a?b", "a#b", "a@b", "a:b", "%2F", "a/b@c?d#e", "1/2"])
@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "mysql"])
def test_no_spelling_of_a_password_is_shown(scheme: str, password: str) -> None:
    masked = mask_password(f"cannot reach {scheme}://user:{password}@host:5432/db?sslmode=require now")
    assert masked == f"cannot reach {scheme}://user:{MASK}@host:5432/db?sslmode=require now"


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:9000/bucket/a@b", "s3://bucket/a:b@c", "lakehouse://profile@bucket/k:v", "postgresql://host/db"]
)
def test_addresses_without_a_password_come_back_as_they_are(text: str) -> None:
    assert mask_password(text) == text
