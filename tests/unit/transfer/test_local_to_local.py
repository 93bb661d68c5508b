"""Between two local folders: the same plan, the same outcomes, complete files or none, nothing moves that was not planned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.errors import CapacityError, DeleteRefusedError, NotFoundError
from lakehouse_sdk.transfer import Action, CancelToken, Selection, Status, TransferPlan, plan_transfer, run_transfer
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.runners.files import FileRunner


@pytest.fixture
def nowhere() -> Settings:
    return load_settings()


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for name in ["a", "d/b c", "d/é/x", "empty"]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if name == "empty" else name)
    (root / "a").chmod(0o640)
    return root


def test_a_tree_is_copied_and_then_there_is_nothing_to_do(source, tmp_path, nowhere):
    target = tmp_path / "deep/target"
    plan = plan_transfer(source, target, settings=nowhere)
    report = run_transfer(plan, settings=nowhere)
    report.raise_for_failures()
    assert tree(target) == tree(source)
    assert (report.strategy, report.bytes_through_client, report.s3_requests) == ("direct", 0, 0)
    assert (target / "a").stat().st_mode & 0o777 == 0o640
    assert abs((target / "a").stat().st_mtime - (source / "a").stat().st_mtime) < 2e-6
    assert all(outcome.sha256 for outcome in report.outcomes)
    again = plan_transfer(source, target, settings=nowhere)
    assert (len(again), again.totals.skip_objects) == (0, 4)
    assert plan_transfer(source, target, settings=nowhere, compare="sha256").totals.copy_objects == 0
    assert run_transfer(again, settings=nowhere).count(Status.SKIPPED) == 4


def test_same_size_and_time_but_other_bytes_is_seen_by_hash_only(source, tmp_path, nowhere):
    target = tmp_path / "target"
    run_transfer(plan_transfer(source, target, settings=nowhere), settings=nowhere)
    (target / "a").write_text("b")
    assert plan_transfer(source, target, settings=nowhere).totals.copy_objects == 0
    (row,) = plan_transfer(source, target, settings=nowhere, compare="sha256")
    assert (row.relative_key, row.reason) == ("a", "same size, other SHA-256")
    assert plan_transfer(source, target, settings=nowhere, compare="always").totals.copy_objects == 4


@pytest.mark.parametrize("change", ["size", "time", "gone"])
def test_a_source_that_changed_since_it_was_planned_is_a_failure(source, tmp_path, nowhere, change):
    plan = plan_transfer(source, tmp_path / "target", settings=nowhere)
    if change == "gone":
        (source / "a").unlink()
    else:
        (source / "a").write_text("longer" if change == "size" else "A")
        os.utime(source / "a", (1, 1))
    report = run_transfer(plan, settings=nowhere)
    (failed,) = report.failures
    assert failed.row.relative_key == "a"
    assert ("No such file" if change == "gone" else "changed since it was planned") in failed.reason
    assert set(tree(tmp_path / "target")) == {"d/b c", "d/é/x", "empty"}


def test_a_cancelled_run_leaves_whole_files_only(source, tmp_path, nowhere):
    token = CancelToken()
    token.cancel()
    report = run_transfer(plan_transfer(source, tmp_path / "target", settings=nowhere), settings=nowhere, cancel=token)
    assert report.cancelled
    assert tree(tmp_path / "target") == {}


def test_cancelled_in_the_middle_of_a_file(source, tmp_path, nowhere, monkeypatch):
    (source / "a").write_bytes(b"x" * 3 * 2**20)

    class Ticking(CancelToken):
        asked = 0

        @property
        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 3

    selection = Selection(include="a")
    plan = plan_transfer(source, tmp_path / "target", settings=nowhere, selection=selection)
    report = run_transfer(plan, settings=nowhere, cancel=Ticking())
    assert [outcome.status for outcome in report.outcomes] == [Status.CANCELLED]
    assert tree(tmp_path / "target") == {}


class TestDeletes:
    @pytest.fixture
    def target(self, source, tmp_path, nowhere) -> Path:
        target = tmp_path / "target"
        for number in range(30):
            (source / f"n{number}").write_text("x")
        run_transfer(plan_transfer(source, target, settings=nowhere), settings=nowhere)
        return target

    def test_within_the_limit_they_are_rows_of_the_plan(self, source, target, nowhere):
        (target / "stray").write_text("s")
        plan = plan_transfer(source, target, settings=nowhere, delete=True)
        (row,) = plan
        assert (row.action, row.target_key, row.source_key, row.size_bytes) == (Action.DELETE, str(target / "stray"), "", 1)
        assert plan.totals.delete_objects == 1
        plan.check_deletes()
        assert "1 to delete" in plan.summary
        assert "to delete" in plan._repr_html_()
        assert plan_transfer(source, target, settings=nowhere).totals.delete_objects == 0

    @pytest.mark.parametrize(("strays", "options", "refused"), [
        (3, {}, False),
        (4, {}, True),
        (4, {"max_deletes": 4}, False),
        (3, {"max_deletes": 2}, True),
        (1, {"max_deletes": 0}, True),
    ])  # fmt: skip
    def test_the_smaller_of_a_tenth_and_a_number(self, source, target, nowhere, strays, options, refused):
        for number in range(strays):
            (target / f"stray{number}").write_text("s")
        plan = plan_transfer(source, target, settings=nowhere, delete=True, **options)
        assert plan.totals.delete_objects == strays
        assert bool(plan.delete_refusal) is refused
        if refused:
            assert f"{strays} of {34 + strays} objects" in plan.delete_refusal
            (source / "new").write_text("new")
            with pytest.raises(DeleteRefusedError) as error:
                run_transfer(plan_transfer(source, target, settings=nowhere, delete=True, **options), settings=nowhere)
            assert "max_deletes" in (error.value.hint or "")
            assert not (target / "new").exists(), "refused before the first copy"

    def test_the_settings_set_the_limits(self, source, target):
        (target / "stray").write_text("s")
        settings = load_settings(transfer={"max_deletes": 0})
        assert "more than 0 or 10 %" in plan_transfer(source, target, settings=settings, delete=True).delete_refusal

    def test_an_empty_source_deletes_nothing(self, tmp_path, target, nowhere):
        (tmp_path / "nothing").mkdir()
        plan = plan_transfer(tmp_path / "nothing", target, settings=nowhere, delete=True, max_deletes=10**6)
        assert "is empty" in plan.delete_refusal
        with pytest.raises(DeleteRefusedError, match="34 objects would go"):
            run_transfer(plan, settings=nowhere)
        selection = Selection(include="*", min_bytes=10**9)
        assert plan_transfer(tmp_path / "nothing", target, settings=nowhere, delete=True, selection=selection).delete_refusal

    def test_a_source_that_cannot_be_listed_deletes_nothing(self, tmp_path, target, nowhere):
        with pytest.raises(DeleteRefusedError, match="could not be listed") as error:
            plan_transfer(tmp_path / "typo", target, settings=nowhere, delete=True)
        assert isinstance(error.value.__cause__, NotFoundError)
        with pytest.raises(NotFoundError):
            plan_transfer(tmp_path / "typo", target, settings=nowhere)

    def test_rows_of_the_callers_own_are_not_limited(self, target, nowhere):
        with plan_transfer(target / "d", target.parent / "e", settings=nowhere) as plan:
            TransferPlan.from_rows(plan.source, plan.target, plan).check_deletes()


def test_a_selection_that_leaves_nothing_says_so(source, tmp_path, nowhere):
    plan = plan_transfer(source, tmp_path / "t", settings=nowhere, selection=Selection(include="*.zip"))
    assert "leaves nothing of 4 objects (include *.zip)" in plan.summary


def test_forecast(source, tmp_path, nowhere):
    plan = plan_transfer(source, tmp_path / "t", settings=nowhere)
    assert (plan.forecast().bytes_through_client, plan.forecast().s3_requests) == (0, 0)


def test_files_name_their_errors(tmp_path, planned):
    row = planned(str(tmp_path / "x"))
    (outcome,) = FileRunner(RunContext(load_settings().transfer)).run([row])
    assert outcome.status is Status.FAILED
    assert "No such file" in outcome.reason


def test_no_room_for_the_temporary_file(source, tmp_path, nowhere, monkeypatch):
    def full(self, *, parent=None):
        raise CapacityError("full")

    monkeypatch.setattr("lakehouse_sdk.transfer.context.staging.StagingFolder.__enter__", full)
    with pytest.raises(CapacityError):
        run_transfer(plan_transfer(source, tmp_path / "t", settings=nowhere), settings=nowhere)
