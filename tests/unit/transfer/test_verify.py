"""What the target says after the copy corrects what the runners said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakehouse_sdk.errors import AccessError
from lakehouse_sdk.storage import ObjectInfo
from lakehouse_sdk.transfer import Outcome, Status
from lakehouse_sdk.transfer.proof.verify import verify_s3

MD5_A, MD5_B = "a" * 32, "b" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Target:
    """A bucket that counts how it is asked; `unlisted` keys can only be asked for."""

    def __init__(self, objects: dict[str, tuple[int, str]], unlisted: frozenset[str] = frozenset()) -> None:
        self.objects, self.unlisted = objects, unlisted
        self.pages, self.heads = 0, 0
        self.deny_list = self.deny_head = False

    def list_objects(self, bucket, prefix="", *, start_after=""):
        if self.deny_list:
            raise AccessError("no listing")
        shown = sorted(k for k in self.objects if k.startswith(prefix) and k > start_after and k not in self.unlisted)
        for position, key in enumerate(shown):
            self.pages += position % 1000 == 0
            yield ObjectInfo(key, *self.objects[key], NOW)

    def find_info(self, bucket, key):
        self.heads += 1
        if self.deny_head:
            raise AccessError("no look")
        return ObjectInfo(key, *self.objects[key], NOW) if key in self.objects else None


def verify(target, outcomes, *, etags_tell=True):
    return list(verify_s3(target, "bucket", outcomes, lambda source_key, target_key: etags_tell))


@pytest.fixture
def done(planned):
    def make(key, size=1, etag=MD5_A, status=Status.DONE, target_etag=""):
        return Outcome(planned(key, size, etag), status, runner="s5cmd", etag=target_etag)

    return make


def test_unequal_etags_that_tell_nothing_are_no_failure_and_another_size_is(done):
    target = Target({"md5": (1, MD5_B), "size": (2, MD5_B)})
    verified = {o.row.target_key: o.status for o in verify(target, [done("md5"), done("size")], etags_tell=False)}
    assert verified == {"md5": Status.DONE, "size": Status.FAILED}


@pytest.mark.parametrize("count", [3, 30])
def test_missing_size_and_md5_turn_done_into_failed(done, count):
    good = [done(f"good{i}") for i in range(count)]
    target = Target(
        {**{o.row.target_key: (1, MD5_A) for o in good}, "size": (2, MD5_A), "md5": (1, MD5_B), "parts": (1, "x-2")}
    )
    verified = {o.row.target_key: o for o in verify(target, [*good, done("size"), done("md5"), done("parts"), done("missing")])}
    assert {key for key, o in verified.items() if o.status is Status.FAILED} == {"size", "md5", "missing"}
    assert MD5_A in verified["md5"].reason
    assert MD5_B in verified["md5"].reason
    assert "2 bytes" in verified["size"].reason


def test_one_listing_confirms_many(done):
    target = Target({f"p/{i:05}": (1, MD5_A) for i in range(3000)})
    assert {o.status for o in verify(target, [done(f"p/{i:05}") for i in range(3000)])} == {Status.DONE}
    assert (target.pages, target.heads) == (3, 0)


def test_stretches_of_strangers_are_leapt_over(done):
    strangers = {f"p/m{i:06}": (1, MD5_A) for i in range(50_000)}
    wanted = [f"p/a{i}" for i in range(5)] + [f"p/z{i}" for i in range(5)]
    target = Target({**strangers, **dict.fromkeys(wanted, (1, MD5_A))})
    assert {o.status for o in verify(target, [done(key) for key in wanted])} == {Status.DONE}
    assert target.pages <= 4


def test_what_a_listing_does_not_show_is_asked_for(done):
    keys = [f"k{i}" for i in range(10)]
    target = Target(dict.fromkeys(keys, (1, MD5_A)), unlisted=frozenset({"k3", "k9"}))
    assert {o.status for o in verify(target, [done(key) for key in keys])} == {Status.DONE}
    assert target.heads == 2


def test_without_the_right_to_list_each_is_asked_for(done):
    keys = [f"k{i}" for i in range(10)]
    target = Target(dict.fromkeys(keys, (1, MD5_A)))
    target.deny_list = True
    assert {o.status for o in verify(target, [done(key) for key in keys])} == {Status.DONE}


def test_what_cannot_be_verified_is_failed(done):
    target = Target({"k": (1, MD5_A)})
    target.deny_head = True
    (outcome,) = verify(target, [done("k")])
    assert (outcome.status, "could not be verified" in outcome.reason) == (Status.FAILED, True)


def test_what_the_runner_compared_is_not_asked_again(done):
    target = Target({})
    assert verify(target, [done("k", target_etag=MD5_A)])[0].status is Status.DONE
    assert (target.pages, target.heads) == (0, 0)


def test_unknown_is_done_only_where_the_etag_proves_it(done):
    target = Target({"proven": (1, MD5_A), "other": (1, MD5_B), "parts": (1, "x-2")})
    outcomes = [done(key, status=Status.UNKNOWN) for key in ("proven", "other", "parts", "missing")]
    assert [o.status for o in verify(target, outcomes)] == [Status.DONE, Status.CANCELLED, Status.CANCELLED, Status.CANCELLED]


def test_order_and_other_outcomes_are_kept(done):
    target = Target({})
    outcomes = [done("a", status=Status.FAILED), done("b", status=Status.CANCELLED)]
    assert verify(target, outcomes) == outcomes
