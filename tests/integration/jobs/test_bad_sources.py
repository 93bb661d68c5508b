"""Sources that misbehave, through the whole of `collect`: a clear error or a named state, and the next run completes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from mirrored_lake import settings_for, sha256_by_key
from scripted_front import CUT, ScriptedFront
from scripted_s3 import RESET, answer, page, refuse

from lakehouse_sdk.archives import ArchiveObject
from lakehouse_sdk.archives.binance import BinanceConnector
from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.errors import AccessError, ConnectError, LakehouseError, StorageError
from lakehouse_sdk.jobs import CollectReport, Discovery
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import ArchiveText, publish_archives, sample_text
from lakehouse_sdk.testing.archives import pack_archive

DAYS = [f"2024-03-0{day}" for day in range(1, 7)]
SICK = "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-03-03.zip"
OF_SICK = r"BTCUSDT-metrics-2024-03-03\.zip$"
OF_ITS_CHECKSUM = r"BTCUSDT-metrics-2024-03-03\.zip\.CHECKSUM$"
SLOW_DOWN = refuse("503 Slow Down", "SlowDown")
PASSING = {
    "too-many": answer("429 Too Many Requests"),
    "slow-down": SLOW_DOWN,
    "internal": refuse("500 Internal Server Error", "InternalError"),
    "reset": RESET,
    "cut": CUT,
}
LASTING = {**PASSING, "forbidden": refuse("403 Forbidden", "AccessDenied")}
each_passing = pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
each_lasting = pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts cost no time."""
    monkeypatch.setattr("lakehouse_sdk.retry.random.uniform", lambda low, high: low)


def make(day: str, rows: int = 3) -> ArchiveText:
    return ArchiveText("um", "metrics", "BTCUSDT", day, sample_text("metrics", "um", "BTCUSDT", day, rows))


@pytest.fixture
def published(other_minio: MinioServer, bucket: str) -> dict[str, str]:
    return publish_archives(other_minio.profile, bucket, map(make, DAYS))


@pytest.fixture
def front(other_minio: MinioServer, published: dict[str, str]) -> Iterator[ScriptedFront]:
    with ScriptedFront(other_minio.endpoint_url) as started:
        yield started


@pytest.fixture
def lake(settings: Settings, front: ScriptedFront, bucket: str) -> Iterator[Lakehouse]:
    with Lakehouse(settings_for(settings, front.endpoint_url, bucket)) as made:
        yield made


def discover(lake: Lakehouse) -> Discovery:
    return lake.discover(markets=("um",), data_types=("metrics",))


def collect(lake: Lakehouse) -> CollectReport:
    return lake.collect(discover(lake))


def held(lake: Lakehouse) -> dict[str, str]:
    found = sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/")
    return {key: sha256 for key, sha256 in found.items() if key.endswith(".zip")}


def state_of_sick(lake: Lakehouse) -> tuple[LedgerState, str]:
    with open_ledger(lake.settings) as ledger:
        entry = ledger.find("binance", SICK)
    assert entry is not None
    return entry.state, entry.reason


def check_only_sick_is_missing(lake: Lakehouse, report: CollectReport, published: dict[str, str], state: str) -> None:
    """In the report, the ledger and bronze; the others are as good as ever."""
    (problem,) = report.problems
    assert (problem.archive.key, problem.state.value) == (SICK, state)
    assert problem.reason
    assert state_of_sick(lake)[0].value == state
    assert held(lake) == {key: sha256 for key, sha256 in published.items() if key != SICK}


def check_next_run_completes(lake: Lakehouse, front: ScriptedFront, published: dict[str, str]) -> None:
    front.heal()
    report = collect(lake)
    assert report.problems == ()
    assert held(lake) == published
    with open_ledger(lake.settings) as ledger:
        assert {entry.state for entry in ledger.entries("binance")} == {LedgerState.VERIFIED}


class TestListing:
    @staticmethod
    def circle(*firsts: str) -> Callable[[], bytes]:
        """The same pages for ever, each with a token that never came before."""
        numbers = count()

        def turn() -> bytes:
            number = next(numbers)
            return page(firsts[number % len(firsts)], token=f"t{number}")

        return turn

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (answer(body=b"<html><body>Sign in</body></html>"), StorageError),
            (answer(body=page("a").partition(b"\r\n\r\n")[2][:-40]), StorageError),
            (page("a", token="1")[:-30], (ConnectError, StorageError)),
            (circle("data/x"), StorageError),
            (circle("data/x", "data/y", "data/z"), StorageError),
            (refuse("403 Forbidden", "AccessDenied"), AccessError),
            (SLOW_DOWN, StorageError),
            (refuse("500 Internal Server Error", "InternalError"), StorageError),
            (RESET, ConnectError),
        ],
        ids=["web-page", "cut-xml", "cut-page", "same-page", "three-pages", "forbidden", "slow-down", "internal", "reset"],
    )
    def test_a_listing_that_cannot_be_had_is_an_error_and_moves_nothing(
        self,
        lake: Lakehouse,
        front: ScriptedFront,
        published: dict[str, str],
        fault: Any,
        kind: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        front.answer(r"list-type=2", fault, ever=True)
        with pytest.raises(kind) as caught:
            collect(lake)
        assert isinstance(caught.value, LakehouseError)
        assert held(lake) == {}
        check_next_run_completes(lake, front, published)

    def test_faults_that_pass_are_waited_for(self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str]) -> None:
        rule = front.answer(r"list-type=2", SLOW_DOWN, RESET, answer("429 Too Many Requests"))
        assert collect(lake).problems == ()
        assert rule.used > 3
        assert held(lake) == published


class TestArchive:
    @each_passing
    def test_a_fault_that_passes_is_waited_for(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], fault: bytes
    ) -> None:
        rule = front.answer(f"GET .*{OF_SICK}", fault, fault)
        report = collect(lake)
        assert report.problems == ()
        assert rule.used > 2
        assert held(lake) == published

    @each_lasting
    def test_a_fault_that_lasts_is_that_archives_alone(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], fault: bytes
    ) -> None:
        front.answer(OF_SICK, fault, ever=True)
        report = collect(lake)
        check_only_sick_is_missing(lake, report, published, "failed")
        check_next_run_completes(lake, front, published)

    def test_one_that_is_listed_and_not_there_is_absent(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str]
    ) -> None:
        front.answer(OF_SICK, refuse("404 Not Found", "NoSuchKey"), ever=True)
        check_only_sick_is_missing(lake, collect(lake), published, "absent")
        states = {f"{p.start:%Y-%m-%d}": p.state.value for p in lake.coverage(markets=("um",), data_types=("metrics",)).periods}
        assert {day: state for day, state in states.items() if state != "present"}.keys() == {"2024-03-03"}
        check_next_run_completes(lake, front, published)

    def test_other_bytes_than_published(self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str]) -> None:
        """As a proxy does whose memory is bad: whole, of the right size and under the right ETag."""
        right = pack_archive(make("2024-03-03"))
        headers = {"ETag": f'"{hashlib.md5(right).hexdigest()}"', "Last_Modified": "Fri, 20 Nov 2026 10:00:00 GMT"}
        front.answer(f"GET .*{OF_SICK}", answer(body=right[:-1] + b"\1", **headers), ever=True)
        report = collect(lake)
        check_only_sick_is_missing(lake, report, published, "quarantined")
        assert report.problems[0].reason.startswith(f"checksum-mismatch: published {published[SICK]}, received ")
        front.heal()
        assert collect(lake).problems == report.problems  # left alone until the source changes it, or a repair
        assert lake.collect(discover(lake), repair=True).problems == ()
        assert held(lake) == published

    def test_a_key_that_changes_while_it_is_read(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], other_minio: MinioServer, bucket: str
    ) -> None:
        changed: dict[str, str] = {}

        def change() -> None:
            if not changed:
                changed.update(publish_archives(other_minio.profile, bucket, [make("2024-03-03", rows=9)]))

        front.answer(f"GET .*{OF_SICK}", change, ever=True)
        report = collect(lake)
        assert changed
        (problem,) = report.problems
        assert problem.archive.key == SICK
        assert held(lake) == {key: sha256 for key, sha256 in published.items() if key != SICK}
        check_next_run_completes(lake, front, {**published, **changed})


class TestChecksumFile:
    @each_passing
    def test_a_fault_that_passes_is_waited_for(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], fault: bytes
    ) -> None:
        rule = front.answer(OF_ITS_CHECKSUM, fault, fault)
        assert collect(lake).problems == ()
        assert rule.used > 2
        assert held(lake) == published

    @pytest.mark.parametrize("fault", [SLOW_DOWN, refuse("403 Forbidden", "AccessDenied")], ids=["slow-down", "forbidden"])
    def test_a_fault_that_lasts_is_that_archives_alone(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], fault: bytes
    ) -> None:
        front.answer(OF_ITS_CHECKSUM, fault, ever=True)
        check_only_sick_is_missing(lake, collect(lake), published, "failed")
        check_next_run_completes(lake, front, published)

    def test_a_source_that_answers_no_more_ends_the_run(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str]
    ) -> None:
        front.answer(OF_ITS_CHECKSUM, RESET, ever=True)
        with pytest.raises(ConnectError, match=r"archives\.binance\.endpoint_url"):
            collect(lake)
        assert held(lake) == {}
        check_next_run_completes(lake, front, published)

    @pytest.mark.parametrize(
        "content",
        [b"\xff\x00garbage" * 131_072, b"", f"{'a' * 64}  another.zip\n".encode(), b"a" * 1_048_576],
        ids=["a-mebibyte-of-garbage", "empty", "of-another-file", "digits-without-end"],
    )
    def test_one_that_is_none_keeps_its_archive_out(
        self, lake: Lakehouse, published: dict[str, str], other_minio: MinioServer, bucket: str, content: bytes
    ) -> None:
        with S3Client(other_minio.profile) as client:
            client.put_bytes(bucket, f"{SICK}.CHECKSUM", content)
        report = collect(lake)
        check_only_sick_is_missing(lake, report, published, "quarantined")
        reason = state_of_sick(lake)[1]
        assert reason.startswith("checksum-malformed: ")
        assert len(reason) < 1000
        assert collect(lake).problems == report.problems
        publish_archives(other_minio.profile, bucket, [make("2024-03-03")])
        assert collect(lake).problems == ()
        assert held(lake) == published

    def test_upper_case_is_the_same_hash(
        self, lake: Lakehouse, published: dict[str, str], other_minio: MinioServer, bucket: str
    ) -> None:
        with S3Client(other_minio.profile) as client:
            client.put_bytes(bucket, f"{SICK}.CHECKSUM", f"{published[SICK].upper()}  {SICK.rpartition('/')[2]}\n".encode())
        assert collect(lake).problems == ()
        assert held(lake) == published

    def test_bytes_of_a_revision_are_kept_also_when_the_next_one_never_came(
        self, lake: Lakehouse, published: dict[str, str], other_minio: MinioServer, bucket: str, s3: S3Client
    ) -> None:
        """The second revision has no usable checksum and stays out; the third takes the key that the first one still holds."""
        collect(lake)
        publish_archives(other_minio.profile, bucket, [make("2024-03-03", rows=5)])
        with S3Client(other_minio.profile) as client:
            client.put_bytes(bucket, f"{SICK}.CHECKSUM", b"none")
        assert [item.archive.key for item in collect(lake).problems] == [SICK]
        third = publish_archives(other_minio.profile, bucket, [make("2024-03-03", rows=7)])
        assert collect(lake).problems == ()
        assert held(lake) == {**published, **third}
        with open_ledger(lake.settings) as ledger:
            kept = {revision.revision: revision.kept_key for revision in ledger.revisions("binance", [SICK])}
        assert sorted(kept) == [1, 2]
        assert kept[2] == ""
        first = s3.get_bytes(lake.settings.lake.bucket, kept[1])
        assert hashlib.sha256(first).hexdigest() == published[SICK]


class TestBrokenConnector:
    """A connector is anybody's code, and raises what it likes."""

    @staticmethod
    def break_for_sick(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        real = getattr(BinanceConnector, method)

        def broken(self: BinanceConnector, archive: ArchiveObject) -> object:
            if archive.key == SICK:
                raise ZeroDivisionError("by \0 nothing")
            return real(self, archive)

        monkeypatch.setattr(BinanceConnector, method, broken)

    def test_in_discover(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = BinanceConnector.discover

        def broken(self: BinanceConnector, query: Any) -> Iterator[object]:
            found = real(self, query)
            yield next(found)
            raise ZeroDivisionError("by nothing")

        with monkeypatch.context() as patched:
            patched.setattr(BinanceConnector, "discover", broken)
            with pytest.raises(StorageError, match="connector 'binance' broke while it listed: ZeroDivisionError: by nothing"):
                collect(lake)
        assert held(lake) == {}
        check_next_run_completes(lake, front, published)

    @pytest.mark.parametrize("method", ["checksum", "find_address"])
    def test_for_one_archive(
        self,
        lake: Lakehouse,
        front: ScriptedFront,
        published: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
        method: str,
    ) -> None:
        with monkeypatch.context() as patched:
            self.break_for_sick(patched, method)
            report = collect(lake)
        check_only_sick_is_missing(lake, report, published, "failed")
        assert "connector 'binance' broke: ZeroDivisionError" in report.problems[0].reason
        check_next_run_completes(lake, front, published)

    def test_in_find_address_of_the_first_and_of_all(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: BinanceConnector, archive: ArchiveObject) -> object:
            raise ZeroDivisionError("by nothing")

        with monkeypatch.context() as patched:
            patched.setattr(BinanceConnector, "find_address", broken)
            report = collect(lake)
        assert report.counts()["failed"] == len(DAYS)
        assert held(lake) == {}
        check_next_run_completes(lake, front, published)

    def test_in_open(
        self, lake: Lakehouse, front: ScriptedFront, published: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(BinanceConnector, "find_address", lambda self, archive: None)
            self.break_for_sick(patched, "open")
            report = collect(lake)
        check_only_sick_is_missing(lake, report, published, "failed")
        assert "connector 'binance' broke: ZeroDivisionError" in report.problems[0].reason
        check_next_run_completes(lake, front, published)
