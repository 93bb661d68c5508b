"""Random trees on both sides, random faults on the way: what is called done is there, what is not is as it was before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_witness import copy, new_bucket

from lakehouse_sdk.testing import Fault, FaultProxy
from lakehouse_sdk.transfer import Action, Status, plan_transfer, run_transfer

FOLDERS = ["", "in/", "in/deeper/", "sp ace/", "ü/"]
NAMES = [
    "a",
    "a b",
    "a+b",
    "100%",
    "%20",
    "é",
    "e\u0301",
    "😀",
    "tab\tx",
    "new\nline",
    ".dot",
    "~",
    "q?x#y",
    "nb\u00a0sp",
    "z'\"",
]
keys = st.builds(str.__add__, st.sampled_from(FOLDERS), st.sampled_from(NAMES))
bodies = st.builds(
    lambda seed, size: (hashlib.sha256(str(seed).encode()).digest() * (size // 32 + 1))[:size],
    st.integers(0, 3),
    st.sampled_from([0, 1, 31, 32, 5_000, 400_000]),
)
faults = st.builds(
    Fault,
    end=st.sampled_from(["reset", "close"]),
    after_bytes=st.integers(1, 300_000),
    direction=st.sampled_from(["answers", "requests"]),
)


@dataclass(frozen=True)
class World:
    """Both sides, and what each connection suffers; after the last one of the list all are good."""

    source: dict[str, bytes]
    target: dict[str, bytes]
    script: list[Fault | None]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    source = draw(st.dictionaries(keys, bodies, max_size=12))
    same = {key: source[key] for key in draw(st.lists(st.sampled_from(sorted(source)), unique=True))} if source else {}
    target = {**draw(st.dictionaries(keys, bodies, max_size=6)), **same}
    return World(source, target, draw(st.lists(st.none() | faults, max_size=20)))


def md5_of(tree: dict[str, bytes]) -> dict[str, str]:
    return {key: hashlib.md5(body).hexdigest() for key, body in tree.items()}


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["inside", "another server"])
def test_whatever_happens_the_report_is_what_happened(here, there, make_settings, kind):
    home = there.profile if kind == "another server" else here.profile
    name = "other" if kind == "another server" else ""

    @settings(max_examples=25, deadline=None)
    @given(worlds())
    def check(world: World) -> None:
        source, target = new_bucket(here.profile), new_bucket(home, name)
        target.fill(world.target)  # first: what the source holds is not older than what the target does
        wanted, before = source.fill(world.source), md5_of(world.target)
        with FaultProxy(here.profile.endpoint_url) as proxy:
            near = make_settings(proxy.profile(here.profile), there.profile)
            plan = plan_transfer(source.address, target.address, settings=near)
            copied = {row.relative_key for row in plan.rows(Action.COPY)}
            assert copied == {key for key in wanted if before.get(key) != wanted[key]}
            proxy.cut_all()
            script = dict(enumerate(world.script, start=proxy.connections))
            proxy.script = script.get
            try:
                report = run_transfer(plan, settings=near)
            except OSError:  # nobody answered when the target was asked for: nothing has moved
                assert target.contents() == before
            else:
                found = target.contents()
                done = {outcome.row.relative_key for outcome in report.outcomes if outcome.status is Status.DONE}
                moved = {outcome.row.relative_key for outcome in report.outcomes if outcome.row.action is Action.COPY}
                assert moved == copied
                assert {key: found[key] for key in done} == {key: wanted[key] for key in done}
                assert {key: found.get(key) for key in copied - done} == {key: before.get(key) for key in copied - done}
                assert {key: md5 for key, md5 in before.items() if key not in copied}.items() <= found.items()
                assert report.count(Status.SKIPPED) == len(wanted) - len(copied)
            proxy.script = None
            copy(source.address, target.address, near).raise_for_failures()
            assert target.contents() == {**before, **wanted}
            assert plan_transfer(source.address, target.address, settings=near).totals.copy_objects == 0

    check()
