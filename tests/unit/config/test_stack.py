"""The note that `lakehouse up` leaves for `connect()`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lakehouse_sdk.config import LocalStack, cache_dir, find_stack, find_upwards, forget_stack, read_stack, remember_stack
from lakehouse_sdk.errors import ConfigurationError


@pytest.fixture
def stack(tmp_path: Path) -> LocalStack:
    return LocalStack(tmp_path / "data", "http://127.0.0.1:9000", "stack-key", "hush", "sqlite:////c.db")


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "current-stack.json"


def test_nothing_is_remembered_at_first() -> None:
    assert find_stack() is None


def test_remembered_until_forgotten(stack: LocalStack) -> None:
    remember_stack(stack)
    assert find_stack() == stack
    forget_stack(stack.path)
    assert find_stack() is None
    forget_stack(stack.path)


def test_forgetting_another_stack_changes_nothing(stack: LocalStack, tmp_path: Path) -> None:
    remember_stack(stack)
    forget_stack(tmp_path / "another")
    assert find_stack() == stack


def test_only_the_owner_can_read_it_and_no_scratch_file_stays(stack: LocalStack, note: Path) -> None:
    remember_stack(stack)
    remember_stack(stack)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert list(note.parent.iterdir()) == [note]


def test_credentials_are_not_in_the_repr(stack: LocalStack) -> None:
    assert "hush" not in repr(stack)
    assert "stack-key" not in repr(stack)


def test_prefect_is_set_only_where_it_runs(stack: LocalStack) -> None:
    assert "prefect" not in stack.to_settings()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"path": 3}', '{"path": "/x", "unknown": 1}'])
def test_an_unreadable_note_says_which_file_and_what_to_do(note: Path, content: str) -> None:
    note.parent.mkdir()
    note.write_text(content)
    with pytest.raises(ConfigurationError, match=r"current-stack\.json cannot be read.*lakehouse down"):
        find_stack()


def test_a_stack_can_be_read_from_any_file(stack: LocalStack, note: Path, tmp_path: Path) -> None:
    remember_stack(stack)
    assert read_stack(note) == stack
    assert read_stack(tmp_path / "nothing.json") is None


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() in {tmp_path / "lakehouse-sdk", Path.home() / "Library/Caches/lakehouse-sdk"}


def test_a_file_is_found_in_the_nearest_folder_above(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "wanted").touch()
    (deep / "wanted").mkdir()  # a folder of that name is not the file
    assert find_upwards("wanted", deep) == tmp_path / "wanted"
    assert find_upwards("nowhere-to-be-found", deep) is None
