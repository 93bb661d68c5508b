"""A plan as a handle: rows spill to disk and come back the same, files and memory are given back, saved plans load."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_sdk.errors import CapacityError, DeleteRefusedError, IntegrityError, NotFoundError, StorageError
from lakehouse_sdk.transfer import Action, PlannedObject, Selection, TransferPlan
from lakehouse_sdk.transfer.model.objects import Entry, SkipCount
from lakehouse_sdk.transfer.model.rows import RowStore
from lakehouse_sdk.transfer.model.spill import SpillFile, sort_outside
from lakehouse_sdk.transfer.plan.listing import KeptEntries, sort_entries
from lakehouse_sdk.uris import LocalAddress, S3Address, parse_address

SOURCE, TARGET = S3Address("from", "a", "other"), LocalAddress(parse_address("/tmp/x").path)
T = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ACTIONS = list(Action)


def row(number: int, name: str = "") -> PlannedObject:
    """Rows of all kinds: with and without time, ETag and hash, keys that end in the name and keys that do not."""
    name = name or f"d/{number:05d}"
    source = f"a/{name}" if number % 3 else "elsewhere"
    return PlannedObject(
        name,
        source,
        f"b/{name}",
        number,
        "e" * (number % 2),
        ACTIONS[number % len(ACTIONS)],
        "why",
        "f" * 64 if number % 5 == 0 else None,
        T + timedelta(microseconds=number) if number % 7 else None,
    )


def open_files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            found.add(str(link.readlink()))
    return found


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 5000])
@pytest.mark.parametrize("memory_rows", [10, 20_000])
def test_rows_come_back_in_order_whether_they_spilled_or_not(count, memory_rows):
    rows = [row(number) for number in range(count)]
    store = RowStore(rows, memory_rows=memory_rows)
    assert list(store) == rows
    assert list(store) == rows
    assert len(store) == count
    assert bool(store.spilled_bytes) == (count >= memory_rows)
    for action in Action:
        assert list(store.rows(action)) == [item for item in rows if item.action is action]


def test_file_names_that_are_not_utf8_survive_the_file():
    rows = [row(1, "bad-\udcff"), row(2, "nul-free \U0001f600\n\t")]
    assert list(RowStore(rows, memory_rows=1)) == rows


def test_rows_can_be_added_while_others_are_read():
    store = RowStore([row(0), row(1)], memory_rows=2)
    reading = iter(store)
    assert next(reading) == row(0)
    store.append(row(2))
    assert list(reading) == [row(1)]
    assert len(list(store)) == 3


def test_a_dropped_plan_and_a_closed_one_leave_no_file():
    gc.collect()
    before = open_files()
    plan = TransferPlan(SOURCE, TARGET, map(row, range(100)), memory_rows=10)
    assert plan.spilled_bytes
    assert any("(deleted)" in name for name in open_files() - before), "the file has a name that may be left behind"
    del plan
    gc.collect()
    assert open_files() <= before
    with TransferPlan(SOURCE, TARGET, map(row, range(100)), memory_rows=10) as closed:
        pass
    assert open_files() <= before
    assert list(closed) == []


def test_a_full_disk_is_said(monkeypatch):
    file = SpillFile()
    full = os.open("/dev/full", os.O_RDWR)
    monkeypatch.setattr(file, "_descriptor", full)
    with pytest.raises(CapacityError, match="full"):
        file.write([1])
    os.close(full)


def test_sorting_by_way_of_a_file():
    items = [(str(number * 7919 % 1000), number) for number in range(1000)]
    assert list(sort_outside(items, tuple, memory_items=64)) == sorted(items)
    assert list(sort_outside([], tuple)) == []


def test_entries_sorted_and_kept_by_way_of_a_file():
    entries = [
        Entry(f"n{number * 31 % 500:03d}", "k", number, "e", T, "socket" if number % 9 == 0 else "") for number in range(500)
    ]
    assert list(sort_entries(entries, memory_items=50)) == sorted(entries)
    kept = KeptEntries(entries, memory_items=30)
    assert list(kept.read()) == entries
    assert list(kept.again()) == list(kept.again()) == entries


class TestSaved:
    def test_a_plan_comes_back_as_it_was(self, tmp_path):
        selection = Selection(include=["*.zip"], min_bytes=3, modified_since=T)
        plan = TransferPlan(
            SOURCE,
            TARGET,
            map(row, range(300)),
            note="n",
            skipped=SkipCount(7, 70),
            delete_refusal="too many",
            selection=selection,
        )
        plan.save(tmp_path / "plan.parquet")
        loaded = TransferPlan.load(tmp_path / "plan.parquet")
        assert list(loaded) == list(plan)
        for name in ("source", "target", "totals", "note", "delete_refusal", "selection"):
            assert getattr(loaded, name) == getattr(plan, name)
        assert list(tmp_path.iterdir()) == [tmp_path / "plan.parquet"]
        with pytest.raises(DeleteRefusedError, match="too many"):
            loaded.check_deletes()

    def test_an_empty_plan_too(self, tmp_path):
        TransferPlan(SOURCE, TARGET, [], note="nothing there").save(tmp_path / "p")
        assert TransferPlan.load(tmp_path / "p").summary == "Nothing to do: nothing there."

    def test_what_is_no_plan(self, tmp_path):
        with pytest.raises(NotFoundError):
            TransferPlan.load(tmp_path / "none")
        (tmp_path / "text").write_text("hello")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "table")
        for name in ("text", "table"):
            with pytest.raises(IntegrityError, match="not a saved plan"):
                TransferPlan.load(tmp_path / name)

    def test_a_later_format(self, tmp_path, monkeypatch):
        monkeypatch.setattr("lakehouse_sdk.transfer.plan.saved.SCHEMA_VERSION", 2)
        TransferPlan(SOURCE, TARGET, []).save(tmp_path / "p")
        monkeypatch.undo()
        with pytest.raises(IntegrityError, match="later version"):
            TransferPlan.load(tmp_path / "p")

    def test_a_name_that_parquet_cannot_hold_leaves_no_file(self, tmp_path):
        with pytest.raises(StorageError, match="not UTF-8"):
            TransferPlan(SOURCE, TARGET, [row(1, "bad-\udcff")]).save(tmp_path / "p")
        assert list(tmp_path.iterdir()) == []


def test_planning_and_running_load_no_arrow():
    """A sync pays for Arrow only when its plan is saved."""
    code = (
        "import sys, tempfile, pathlib\n"
        "from lakehouse_sdk.config import load_settings\n"
        "from lakehouse_sdk.transfer import plan_transfer, run_transfer\n"
        "root = pathlib.Path(tempfile.mkdtemp()); (root / 'a').mkdir(); (root / 'a/x').write_text('x')\n"
        "settings = load_settings()\n"
        "run_transfer(plan_transfer(root / 'a', root / 'b', settings=settings), settings=settings).raise_for_failures()\n"
        "assert (root / 'b/x').read_text() == 'x'\n"
        "print({'pyarrow', 'pandas', 's3fs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stderr
