"""Plans and reports as values: totals, sums, errors, tables."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse_sdk.config import S3Profile, Settings, load_settings
from lakehouse_sdk.errors import TransferError, UsageError
from lakehouse_sdk.transfer import (
    Action,
    CancelToken,
    Outcome,
    PlannedObject,
    Status,
    TransferPlan,
    TransferReport,
    plan_transfer,
    run_transfer,
)
from lakehouse_sdk.transfer.context.ends import resolve_ends
from lakehouse_sdk.transfer.model.outcomes import OutcomeStore
from lakehouse_sdk.transfer.run.memory import PeakMemory
from lakehouse_sdk.transfer.strategies import choose_strategy, plan_fallbacks
from lakehouse_sdk.uris import LocalAddress, S3Address

SOURCE, TARGET = S3Address("from", "a"), S3Address("to", "b")


@pytest.fixture
def offline() -> Settings:
    one = S3Profile(endpoint_url="http://127.0.0.1:1", access_key="one", secret_key="secret-one")
    two = S3Profile(endpoint_url="http://127.0.0.1:2", access_key="two", secret_key="secret-two")
    public = S3Profile(endpoint_url="http://127.0.0.1:1", anonymous=True)
    return load_settings(storage=one, profiles={"two": two, "public": public})


def row(key: str, size: int = 10, action: Action = Action.COPY, reason: str = "") -> PlannedObject:
    return PlannedObject(key, f"a/{key}", f"b/{key}", size, "", action, reason, None, datetime(2026, 1, 1, tzinfo=UTC))


def report(*outcomes: Outcome, cancelled: bool = False) -> TransferReport:
    return TransferReport(
        SOURCE, TARGET, "direct", "because", OutcomeStore(outcomes), 1.5, bytes_copied=10, cancelled=cancelled
    )


class TestPlan:
    plan = TransferPlan.from_rows(SOURCE, TARGET, [row("x"), row("y", 5, Action.SKIP), row("<z>", 1, Action.CONFLICT, "why")])

    def test_totals_add_up(self):
        totals = self.plan.totals
        assert (totals.objects, totals.copy_objects, totals.copy_bytes, totals.skip_objects, totals.skip_bytes) == (
            3,
            1,
            10,
            1,
            5,
        )
        assert totals.conflict_objects == 1
        assert len(self.plan) == 3
        assert [item.relative_key for item in self.plan] == ["x", "y", "<z>"]
        assert [item.relative_key for item in self.plan.rows(Action.SKIP)] == ["y"]

    def test_it_says_what_it_is(self):
        assert "1 to copy (10 bytes), 1 to skip, 1 in conflict" in repr(self.plan)
        assert json.dumps(self.plan.to_dict())
        html = self.plan._repr_html_()
        assert "&lt;z&gt;" in html
        assert "<z>" not in html

    def test_as_html_it_shows_the_first_twenty_rows_of_what_would_change(self):
        plan = TransferPlan.from_rows(SOURCE, TARGET, [row(str(number)) for number in range(1234)])
        assert plan._repr_html_().count("<td>copy</td>") == 20
        assert "The first 20 of 1,234" in plan._repr_html_()
        assert "The first" not in self.plan._repr_html_()

    def test_an_empty_plan_says_so(self):
        plan = TransferPlan(SOURCE, TARGET, [], note="there is nothing")
        assert plan.summary == "Nothing to do: there is nothing."
        assert "there is nothing" in plan._repr_html_()
        assert len(plan) == 0
        assert plan.to_pandas().empty

    def test_as_a_frame(self):
        frame = self.plan.to_pandas()
        assert list(frame["action"]) == ["copy", "skip", "conflict"]
        assert frame["size_bytes"].sum() == 16


class TestReport:
    good = report(Outcome(row("x"), Status.DONE, runner="s5cmd"), Outcome(row("y"), Status.SKIPPED))
    bad = report(
        *(Outcome(row(f"k{i}"), Status.FAILED, "denied") for i in range(8)), Outcome(row("c"), Status.CONFLICT, "twice")
    )

    def test_good(self):
        assert self.good.ok
        assert self.good.failures == ()
        self.good.raise_for_failures()
        assert "1 done, 1 skipped" in repr(self.good)

    def test_bad_raises_with_the_first_few_objects(self):
        assert not self.bad.ok
        with pytest.raises(TransferError, match=r"9 of 9 .*'k0': denied.* and 4 more") as error:
            self.bad.raise_for_failures()
        assert error.value.hint

    def test_a_cancelled_one_is_not_ok(self):
        stopped = report(Outcome(row("x"), Status.CANCELLED), cancelled=True)
        with pytest.raises(TransferError, match="was cancelled"):
            stopped.raise_for_failures()

    def test_as_values(self):
        values = json.loads(json.dumps(self.bad.to_dict()))
        assert values["objects"] == {"done": 0, "deleted": 0, "skipped": 0, "conflict": 1, "failed": 8, "cancelled": 0}
        assert len(values["failures"]) == 9
        assert list(self.good.to_pandas()["status"]) == ["done", "skipped"]

    def test_as_html(self):
        assert "because" in self.good._repr_html_()
        assert "denied" in self.bad._repr_html_()

    def test_as_html_it_shows_the_first_twenty_failures_as_text_and_counts_the_rest(self):
        outcomes = [Outcome(row(f"<b>{number}</b>"), Status.FAILED, "<script>denied</script>") for number in range(27)]
        page = report(*outcomes)._repr_html_()
        assert page.count("&lt;script&gt;denied") == 20
        assert "<script>" not in page
        assert "<b>1</b>" not in page
        assert "… and 7 more" in page

    def test_as_html_it_shows_what_it_took(self):
        full = replace(
            self.good,
            seconds=2.0,
            bytes_copied=3 * 1024**2,
            bytes_through_client=1024,
            retries=4,
            s5cmd_commands=1200,
            s5cmd_processes=2,
            s3_requests=30,
            s3_requests_of_s5cmd=1500,
            peak_memory_bytes=5 * 1024**2,
        )
        shown = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", full._repr_html_())
        assert dict(shown) == {
            "done": "1 (3.0 MiB)",
            "skipped": "1",
            "not done": "0",
            "time": "2.0 s",
            "throughput": "1.5 MiB/s",
            "strategy": "direct: because",
            "through this machine": "1.0 KiB",
            "tried again": "4",
            "client commands": "1,200 in 2 s5cmd processes",
            "S3 requests": "30 own, 1,500 of s5cmd",
            "peak memory": "5.0 MiB",
        }
        assert full.bytes_per_s == 1.5 * 1024**2
        assert full.to_dict()["bytes_per_s"] == 1.5 * 1024**2
        assert full.to_dict()["peak_memory_bytes"] == 5 * 1024**2

    def test_deleted_objects_are_told(self):
        gone = report(Outcome(row("x", action=Action.DELETE), Status.DELETED))
        assert "1 deleted" in gone.summary
        assert gone.to_dict()["objects"]["deleted"] == 1
        assert "<dt>deleted</dt><dd>1</dd>" in gone._repr_html_()

    def test_nothing_to_do(self):
        assert "nothing to do" in report().summary


class TestStrategy:
    @pytest.mark.parametrize(
        ("source", "target", "name", "why"),
        [
            ("s3://one", "s3://other", "direct", "server copies"),
            ("s3://one", "lakehouse://two@other", "streaming", "different servers"),
            ("lakehouse://public@one", "s3://other", "streaming", "different credentials"),
            ("/tmp/x", "s3://other", "direct", "local folder"),
            ("s3://one", "/tmp/x", "direct", "local folder"),
        ],
    )
    def test_chosen_by_what_is_true_of_the_ends(self, offline, source, target, name, why):
        choice = choose_strategy(resolve_ends(source, target, offline))
        assert choice.name == name
        assert why in choice.reason

    def test_forced_where_possible(self, offline):
        assert choose_strategy(resolve_ends("s3://one", "s3://other", offline), "staged").name == "staged"
        refused = [
            ("s3://one", "lakehouse://two@other", "direct"),
            ("/tmp/x", "s3://y", "staged"),
            ("/tmp/x", "s3://y", "streaming"),
        ]
        for source, target, forced in refused:
            with pytest.raises(UsageError):
                choose_strategy(resolve_ends(source, target, offline), forced)

    @pytest.mark.parametrize(
        ("source", "target", "wanted", "names"),
        [
            ("s3://one", "s3://other", "auto", ["direct", "streaming", "staged"]),
            ("s3://one", "lakehouse://two@other", "auto", ["streaming", "staged"]),
            ("s3://one", "lakehouse://two@other", "streaming", ["streaming"]),
            ("s3://one", "s3://other", "staged", ["staged"]),
            ("/tmp/x", "s3://other", "auto", ["direct"]),
        ],
    )
    def test_what_takes_over_has_more_bytes_pass_here(self, offline, source, target, wanted, names):
        assert [choice.name for choice in plan_fallbacks(resolve_ends(source, target, offline), wanted)] == names


class TestRefusedCalls:
    def test_local_folders_that_overlap(self, offline, tmp_path):
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "link").symlink_to(tmp_path / "a")
        for source, target in [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("link", "a/b")]:
            with pytest.raises(UsageError, match="overlap"):
                plan_transfer(tmp_path / source, tmp_path / target, settings=offline)

    @pytest.mark.parametrize(("source", "target"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("", "a"), ("a/", "a")])
    def test_ends_that_overlap(self, offline, source, target):
        with pytest.raises(UsageError, match="overlap"):
            plan_transfer(f"s3://one/{source}", f"s3://one/{target}", settings=offline)
        with pytest.raises(UsageError, match="overlap"):
            plan_transfer(f"lakehouse://public@one/{source}", f"s3://one/{target}", settings=offline)

    def test_prefixes_are_folders(self, offline):
        ends = resolve_ends("s3://one/a", LocalAddress(Path("/tmp/x/../y")), offline)
        assert (ends.source.prefix, ends.source.folder, ends.target.folder, ends.target.prefix) == ("a/", "", "/tmp/y", "")


def test_a_token_wakes_who_waits():
    token = CancelToken()
    assert not token.wait(0)
    threading.Timer(0.05, token.cancel).start()
    assert token.wait(10)
    assert token.cancelled


class TestPeakMemory:
    def test_what_was_held_for_a_while_is_seen_and_what_was_held_before_is_not(self):
        with PeakMemory() as before:
            time.sleep(0.2)
        with PeakMemory() as memory:
            held = b"x" * (96 * 1024**2)
            time.sleep(0.4)
            del held
        with PeakMemory() as after:
            time.sleep(0.2)
        assert memory.peak_bytes - before.peak_bytes > 90 * 1024**2
        assert memory.peak_bytes - after.peak_bytes > 60 * 1024**2

    def test_a_run_tells_it(self, tmp_path):
        (tmp_path / "from").mkdir()
        (tmp_path / "from" / "x").write_bytes(b"x")
        settings = load_settings()
        plan = plan_transfer(str(tmp_path / "from"), str(tmp_path / "to"), settings=settings)
        assert 10 * 1024**2 < run_transfer(plan, settings=settings).peak_memory_bytes < 4 * 1024**3
